#!/usr/bin/env bash
# Measure on a CUDA card all that a CPU cannot show, in parts of at most nine minutes, and write a table.
#
#     bash tests/benchmarks/gpu_round.sh [-o DIR] [PART ...]      all parts where none is named
#
# DIR (default gpu_round/) gets one log a part, gpu_round.md, a Markdown table with the card's name, and budget.json for
# docs/make_budget_page.py; a part that is run again replaces its rows. The figures belong into docs/ with the name of the card. Parts:
#     tests       the tests that need a card: same volumes, codes and features as on a CPU
#     memory      MedLoRD at 512x512x256 under the 24 GiB cap: predicted, allocated, reserved, seconds
#     sampling    seconds and traffic of a denoising step
#     features    throughput and memory of the feature networks
#     slices      slice features in float32 and in half by batch size, and what preparing slices ahead saves
#     half        what half precision of the slice features changes of each metric, beside its noise floor
#     real-size   the default evaluation of volumes of half real size, one worker and two beside the card
#     quantiser   codes of a whole volume against the plain search
#     starvation  what loading costs beside a training step, by stage
#     models      every generator on the card: its tiny preset sampled, its paper preset trained for two minutes
#     run         the first command of the README on the card, with its measured budget
#     processes-1, processes-2    64 samples by one process on the card, and by two
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

limit_s=540
out=gpu_round
if [[ "${1:-}" == "-o" ]]; then out="$2"; shift 2; fi
parts=("$@")
[[ ${#parts[@]} -gt 0 ]] || parts=(tests memory sampling features slices half real-size quantiser starvation models run processes-1 processes-2)
mkdir -p "$out/rows"

card="$(python3 -c 'import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else "")')"
if [[ -z "$card" ]]; then
    echo "gpu_round: there is no CUDA device here: run it on a machine with one" >&2
    exit 2
fi

command_of() {
    case "$1" in
        tests) echo "python3 -m pytest -q -m gpu tests/medbench tests/medbench_models tests/contract" ;;
        memory) echo "python3 -m pytest -q -s -m 'benchmark and gpu' tests/benchmarks/test_medlord_memory.py" ;;
        sampling) echo "python3 -m pytest -q -s -m benchmark tests/benchmarks/test_medlord_sampling.py" ;;
        features) echo "MEDBENCH_BENCHMARK_CENTRE=0.1 python3 -m pytest -q -s -m benchmark tests/benchmarks/test_features.py" ;;
        slices) echo "python3 -m pytest -q -s -m benchmark tests/benchmarks/test_slices.py" ;;
        half) echo "MEDBENCH_BENCHMARK_DEVICE=cuda python3 -m pytest -q -s -m benchmark tests/benchmarks/test_half.py" ;;
        real-size) echo "MEDBENCH_BENCHMARK_DEVICE=cuda MEDBENCH_BENCHMARK_SHAPE=512x512x128 MEDBENCH_BENCHMARK_CENTRE=1 python3 -m pytest -q -s -m benchmark tests/benchmarks/test_real_size.py" ;;
        quantiser) echo "python3 -m pytest -q -s -m benchmark tests/benchmarks/test_quantiser.py" ;;
        starvation) echo "python3 -m pytest -q -s -m benchmark tests/benchmarks/test_starvation.py" ;;
        models) echo "python3 tests/benchmarks/measure_models.py '$out'" ;;
        run) echo "python3 -m cli.main run --model medlord --dataset phantom --device cuda --out '$out/run'" ;;
        processes-1 | processes-2) echo "python3 -m cli.main sample --model medlord --dataset phantom --samples 64 --device cuda --engine local --workers ${1#processes-} --out '$out/$1'" ;;
        *) echo "gpu_round: no part is called '$1': see the head of this file" >&2; return 2 ;;
    esac
}

for part in "${parts[@]}"; do
    command="$(command_of "$part")"
    started=$SECONDS
    status=0
    timeout "$limit_s" bash -c "$command" >"$out/$part.log" 2>&1 || status=$?
    case $status in 0) verdict=passed ;; 124) verdict="cut off after $limit_s s" ;; *) verdict="failed ($status)" ;; esac
    {
        echo "| $part | $card | $((SECONDS - started)) s | $verdict | \`$command\` |"
        # What the benchmarks print are lines with figures and units; they stand below their part.
        grep -E '(GiB|MiB|seconds| s$| s[,;)]|times|volumes)' "$out/$part.log" | grep -v '::' | head -40 |
            sed 's/|/\//g; s/^/| | | | | /; s/$/ |/' || true
    } >"$out/rows/$part.md"
    echo "$part: $verdict, $((SECONDS - started)) s, $out/$part.log"
done

{
    echo "| part | card | wall | result | command, figures |"
    echo "| --- | --- | --- | --- | --- |"
    cat "$out"/rows/*.md
} >"$out/gpu_round.md"
echo "table: $out/gpu_round.md"
