#!/usr/bin/env bash
# The policies side by side on the example and five generated grids: goodput, cost, energy, and where centralising wins.
# Then on the base stations of a city under recorded traces, as planned and asked for more than there is (skipped without
# ../shared/data).
#   bench/policies.sh build/tandem
set -euo pipefail
tandem=${1:?usage: bench/policies.sh TANDEM}
root="$(dirname "$0")/.."
example="$root/examples/national.yaml" data="$root/../shared/data"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
policies=tandem,nearest,compute-then-network,centralise,least-load,round-robin,cheapest

run() { # NAME GRID OPTION…
  printf '\n%s\n' "$1"
  "$tandem" replay --grid "$2" --policy "$policies" --duration 300 --seed 1 "${@:3}" 2>/dev/null
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

for factor in 1.5 2; do run "the example, asked for $factor times what was planned" "$example" --rate-factor $factor; done
[ -d "$data/edge-sites" ] || { echo "skipped: no ../shared/data"; exit 0; }
"$tandem" import "$data/edge-sites/eua-melbourne-sites.csv" --jurisdiction AU -o "$work/melbourne.yaml" >/dev/null 2>&1
policies+=,prefix-hash
for trace in azure-llm-2023-conv.csv azure-llm-2023-code.csv mooncake-synthetic.jsonl; do
  for factor in 1 1.5 2; do
    run "125 base stations of Melbourne, $trace, $factor times what was planned" "$work/melbourne.yaml" \
      --trace "$data/traces/$trace" --rate-factor $factor
  done
done
