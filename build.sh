#!/usr/bin/env bash
# One door to everything that is done with this tree.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
usage: ./build.sh COMMAND
  build             compile everything, warnings are errors
  test              the whole test suite
  sim [seed] [args] simulate a chain with crashes from a seed (tests/Simulation); without a seed: a short campaign
  sim crash [args]  crash points and disk faults of the store: --minutes M --seed S
  sim schedules [args] the engine's workers under chosen and delayed schedules: --minutes M --seed S
  fuzz TARGET [args] fuzz one decoder (tests/Fuzz); without a target: list them
  bench SUITE       loadtest's benchmark suite, for example: engine
  mutants ROOM      mutation score of one room with Stryker.NET, for example: Scheduler
  plugin [RID]      publish the AvalancheGo plugin: one self-contained file named by its VM id (linux-x64 unless said)
  ci                what the gate runs
TEXT
}

command=${1:-}
[ $# -gt 0 ] && shift
case "$command" in
  build) dotnet build -c Release "$@" ;;
  test) dotnet test -c Release "$@" ;;
  sim) dotnet run -c Release --project tests/Simulation -- "$@" ;;
  fuzz) dotnet run -c Release --project tests/Fuzz -- "$@" ;;
  bench) dotnet run -c Release --project loadtest -- bench "$@" ;;
  mutants)
    room=${1:?name a room, for example Scheduler}
    shift
    [ -d "tests/$room.Tests" ] || { echo "there is no tests/$room.Tests"; exit 2; }
    dotnet tool restore
    cd "tests/$room.Tests" && dotnet stryker --project "$room/$room.csproj" --reporter ClearText --reporter Json "$@"
    ;;
  plugin)
    # Its own obj and bin, and its own lock files: those of the tree know no runtime, and a publish must not change them.
    rid=${1:-linux-x64}
    out=artifacts/plugin
    dotnet publish PluginHost -c Release -r "$rid" --artifacts-path artifacts/build -o "$out/files" -p:NuGetLockFilePath=obj/publish.lock.json \
      -p:SelfContained=true -p:PublishSingleFile=true -p:PublishReadyToRun=true -p:PublishReadyToRunComposite=false -p:DebugType=none -p:PublishDocumentationFiles=false
    vmid=$("$out/files/ParallelVm.PluginHost" vmid)
    mv "$out/files/ParallelVm.PluginHost" "$out/$vmid"
    rm -r "$out/files"
    ls -l "$out/$vmid"
    ;;
  ci) bash .ci/run ;;
  *) usage; exit 2 ;;
esac
