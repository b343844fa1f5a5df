#!/usr/bin/env bash
# The policies side by side on the example and five generated grids: goodput, cost, energy, and where centralising wins.
#   bench/policies.sh build/tandem
set -euo pipefail
tandem=${1:?usage: bench/policies.sh TANDEM}
example="$(dirname "$0")/../examples/national.yaml"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
policies=tandem,nearest,compute-then-network,centralise,least-load,round-robin,cheapest

run() { # NAME GRID
  printf '\n%s\n' "$1"
  "$tandem" replay --grid "$2" --policy "$policies" --duration 300 --seed 1 2>/dev/null
}
run "the example" "$example"
while read -r sites demands models load seed; do
  "$tandem" generate --sites "$sites" --demands "$demands" --models "$models" --load "$load" --seed "$seed" -o "$work/grid.yaml" >/dev/null
  run "generated: $sites sites, $demands demands, $models models, load $load, seed $seed" "$work/grid.yaml"
done <<'GRIDS'
30 100 6 0.6 1
60 200 9 0.6 2
100 500 9 0.6 3
200 1000 16 0.4 4
100 500 9 0.05 5
GRIDS
