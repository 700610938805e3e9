// The process: arguments in, exit code out. Everything else is CommandLine.

using System;
using ParallelVm.Loadtest.Cli;

return CommandLine.Run(args, new Terminal(Console.Out, Console.Error, !Console.IsOutputRedirected));
