// The process: arguments in, exit code out. Everything else is CommandLine.

using System;
using System.Threading;
using ParallelVm.Loadtest.Cli;

// The main thread's default stack is the platform's; everything else is decided behind the command line.
Thread.CurrentThread.Name = "loadtest";
return CommandLine.Run(args, new Terminal(Console.Out, Console.Error, !Console.IsOutputRedirected));
