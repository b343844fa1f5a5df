#!/usr/bin/env python3
"""Trains `site-ttft`: the time to first token that 95 % of a site's requests will keep, when so much is asked of it.

Data: grids that `tandem generate` makes up, each planned (`tandem plan`) and then asked for 0.6 to 1.8 times what the plan was
made for, request by request, on the calibrated engines of `tandem replay`. Features: what a site's telemetry shows of its five
busiest deployments and of itself (FEATURES below); label: the 95th percentile of the time to first token there, as simulated.
Model: a perceptron of two hidden layers on the features' logarithms, which predicts the logarithm. Trained by Adam on the Huber
loss; numpy only, fixed seeds. Grids, not rows, are split into training, validation and test: no grid of the test was seen.

Usage (numpy and onnx: `pip install numpy onnx pyyaml`, or Debian's python3-numpy, python3-onnx and python3-yaml):
  examples/predict/train.py --tandem build/tandem
Writes models/site-ttft/1/model.onnx, metrics.json, held_out.csv and request.json beside this file. The same program and the
same numpy give the same bytes.
"""
import argparse
import csv
import json
import pathlib
import random
import subprocess
import tempfile

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
MODEL = "site-ttft"
SEED = 20261122
DEPLOYMENTS = 5  # of a site, the busiest first; what is missing is all zeros
OF_A_DEPLOYMENT = ("utilization", "replicas", "requests_per_s", "prompt_tokens", "output_tokens", "batch_max",
                   "prefill_tokens_per_s", "decode_ms_full", "round_trip_ms")
FEATURES = [f"deployment_{i}_{what}" for i in range(1, DEPLOYMENTS + 1) for what in OF_A_DEPLOYMENT]
FEATURES += ["site_requests_per_s", "site_tokens_per_s", "site_deployments", "site_utilization_mean",
             "grid_load_over_plan"]
assert len(FEATURES) == 50
RATE_FACTORS = (0.6, 0.8, 1.0, 1.15, 1.3, 1.5, 1.8)
REQUESTS_MIN = 60  # of a site: a percentile of fewer is mostly chance


def deployment_features(deployment, profile, demands, rate_factor):
    """In the order of OF_A_DEPLOYMENT; `demands` are those planned onto it, with the share of each."""
    rate = sum(demand["rate_per_s"] * demand["share"] for demand in demands)

    def mean(what):
        return sum(demand[what] * demand["rate_per_s"] * demand["share"] for demand in demands) / max(rate, 1e-9)

    full = profile["points"][-1]
    return [deployment["utilization"] * rate_factor, deployment["replicas"], rate * rate_factor, mean("prompt_tokens"),
            mean("output_tokens"), full["batch"], profile["prefill_tokens_per_s"], full["decode_ms_per_token"],
            mean("round_trip_ms")]


def site_features(grid, plan, site, rate_factor):
    profiles = {profile["id"]: profile for profile in grid["profiles"]}
    demands = {demand["id"]: demand for demand in grid["demands"]}
    planned = {}
    for demand in plan["demands"]:
        for split in demand["splits"]:
            planned.setdefault(split["deployment"], []).append(
                {**demands[demand["id"]], "round_trip_ms": split["round_trip_us"] / 1000, "share": split["fraction"]})
    rows = sorted((deployment_features(deployment, profiles[deployment["profile"]],
                                       planned.get(deployment["id"], []), rate_factor)
                   for deployment in plan["deployments"] if deployment["site"] == site), reverse=True)
    column = lambda what: np.array([row[OF_A_DEPLOYMENT.index(what)] for row in rows])
    rate = column("requests_per_s")
    kept = [value for row in rows[:DEPLOYMENTS] for value in row]
    kept += [0] * (DEPLOYMENTS * len(OF_A_DEPLOYMENT) - len(kept))
    return kept + [rate.sum(), (rate * (column("prompt_tokens") + column("output_tokens"))).sum(), len(rows),
                   column("utilization").mean(), rate_factor]


def examples_of(tandem, seed, folder):
    """Features and labels of one generated grid's sites, at every rate."""
    draw = random.Random(SEED + seed)
    path = folder / "grid.yaml"

    def run(*arguments):
        return subprocess.run([tandem, *arguments], check=True, capture_output=True).stdout

    run("generate", "--sites", str(draw.randint(15, 50)), "--demands", str(draw.randint(40, 150)), "--load",
        str(round(draw.uniform(0.2, 0.8), 2)), "--seed", str(seed), "-o", str(path))
    grid = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    plan = json.loads(run("plan", "--grid", str(path), "--work", "200", "--json"))
    served = {deployment["site"] for deployment in plan["deployments"]}
    rows = []
    for rate_factor in RATE_FACTORS:
        replayed = json.loads(run("replay", "--grid", str(path), "--work", "200", "--duration", "60", "--warm-up", "15",
                                  "--rate-factor", str(rate_factor), "--seed", str(seed), "--json"))
        for site, outcome in sorted(replayed["sites"].items()):
            if site in served and outcome["served"] >= REQUESTS_MIN:
                rows.append(site_features(grid, plan, site, rate_factor) + [outcome["ttft_ms"]["p95"]])
    return np.array(rows).reshape(-1, len(FEATURES) + 1)


def rules_of_thumb(train, rows):
    """What two simpler ways of telling make of `rows`, by name: the logarithm of the time."""
    busiest = FEATURES.index("deployment_1_utilization")
    edges = np.quantile(train[0][:, busiest], np.linspace(0, 1, 41)[1:-1])
    bin_of = lambda part: np.searchsorted(edges, part[:, busiest])
    medians = np.array([np.median(train[1][bin_of(train[0]) == i]) for i in range(40)])
    linear = lambda part: np.column_stack([np.log1p(part), np.ones(len(part))])
    inputs = linear(train[0])
    weights = np.linalg.solve(inputs.T @ inputs + 1e-3 * np.eye(inputs.shape[1]), inputs.T @ train[1])
    return {"by_utilization": medians[bin_of(rows)], "linear": linear(rows) @ weights}


BASELINES = {"by_utilization": "the median of the training sites whose busiest deployment was about as busy",
             "linear": "ridge regression on the same logarithms"}


def fit(train, validation, hidden=(48, 24), epochs=60, batch=256):
    """The weights that do best on the validation set, and the scale of the features."""
    random_state = np.random.default_rng(SEED)
    logs = np.log1p(train[0])
    mean, deviation = logs.mean(axis=0), logs.std(axis=0) + 1e-6
    scale = lambda rows: np.clip((np.log1p(rows) - mean) / deviation, -8, 8)
    sizes = [len(FEATURES), *hidden, 1]
    weights = []
    for i, o in zip(sizes, sizes[1:]):
        weights += [random_state.normal(0, np.sqrt(2 / i), (i, o)), np.zeros(o)]
    weights[-1] += train[1].mean()
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]

    def forward(x):
        layers = [x]
        for i in range(0, len(weights) - 2, 2):
            layers.append(np.maximum(layers[-1] @ weights[i] + weights[i + 1], 0))
        return layers, (layers[-1] @ weights[-2] + weights[-1])[:, 0]

    x, y = scale(train[0]), train[1]
    vx, vy = scale(validation[0]), validation[1]
    best, best_error, step = None, np.inf, 0
    for epoch in range(epochs):
        rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        for chosen in np.array_split(random_state.permutation(len(x)), len(x) // batch):
            layers, predicted = forward(x[chosen])
            # Huber's loss: quadratic within a tenth of the logarithm (10 % of the time), then linear.
            slope = np.clip((predicted - y[chosen]) / 0.1, -1, 1)[:, None] / len(chosen)
            gradients = [None] * len(weights)
            for i in range(len(weights) - 2, -1, -2):
                gradients[i], gradients[i + 1] = layers[i // 2].T @ slope + 1e-5 * weights[i], slope.sum(axis=0)
                slope = (slope @ weights[i].T) * (layers[i // 2] > 0)
            step += 1
            for w, g, m, v in zip(weights, gradients, first, second):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                w -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        error = np.abs(forward(vx)[1] - vy).mean()
        if error < best_error:
            best, best_error = [w.copy() for w in weights], error
    return best, mean, deviation


def to_onnx(weights, mean, deviation):
    """features FP32 [-1,50] → ttft_p95_ms FP32 [-1,1]: from raw features to milliseconds, all of it in the graph."""
    constants = {"one": np.array(1.0), "mean": mean, "deviation": deviation, "low": np.array(-8.0), "high": np.array(8.0)}
    nodes = [helper.make_node("Relu", ["features"], ["at_least_zero"]),
             helper.make_node("Add", ["at_least_zero", "one"], ["above_zero"]),
             helper.make_node("Log", ["above_zero"], ["logarithm"]),
             helper.make_node("Sub", ["logarithm", "mean"], ["centred"]),
             helper.make_node("Div", ["centred", "deviation"], ["standardized"]),
             helper.make_node("Clip", ["standardized", "low", "high"], ["layer_0"])]
    for i in range(0, len(weights), 2):
        number, last = i // 2, i == len(weights) - 2
        constants[f"weights_{number}"], constants[f"bias_{number}"] = weights[i], weights[i + 1]
        nodes.append(helper.make_node("Gemm", [f"layer_{number}", f"weights_{number}", f"bias_{number}"],
                                      ["log_ttft" if last else f"sum_{number + 1}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"sum_{number + 1}"], [f"layer_{number + 1}"]))
    nodes.append(helper.make_node("Exp", ["log_ttft"], ["ttft_p95_ms"]))
    initializers = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes, MODEL, [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(FEATURES)])],
        [helper.make_tensor_value_info("ttft_p95_ms", TensorProto.FLOAT, ["rows", 1])], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tandem train.py")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def predict(weights, mean, deviation, rows):
    """The logarithm of the time, as the ONNX graph computes it."""
    x = np.clip((np.log1p(rows) - mean) / deviation, -8, 8)
    for i in range(0, len(weights) - 2, 2):
        x = np.maximum(x @ weights[i] + weights[i + 1], 0)
    return (x @ weights[-2] + weights[-1])[:, 0]


def errors(predicted_log, truth_log):
    """Of the logarithm: by which factor a prediction is off; and of telling who misses a promise of a second."""
    factor = np.exp(np.abs(predicted_log - truth_log))
    slow, told = truth_log > np.log(1000), predicted_log > np.log(1000)
    return {"mean_absolute_log_error": round(float(np.log(factor).mean()), 4),
            "median_off_by_factor": round(float(np.median(factor)), 3),
            "p90_off_by_factor": round(float(np.quantile(factor, 0.9)), 3),
            "over_1_s_recall": round(float((slow & told).sum() / max(slow.sum(), 1)), 3),
            "over_1_s_precision": round(float((slow & told).sum() / max(told.sum(), 1)), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tandem", default="build/tandem")
    parser.add_argument("--grids", type=int, default=500)
    parser.add_argument("--cache", type=pathlib.Path, help="file to keep the examples in, or to take them from")
    arguments = parser.parse_args()

    if arguments.cache and arguments.cache.exists():
        grids = list(np.load(arguments.cache).values())
    else:
        with tempfile.TemporaryDirectory() as folder:
            grids = [examples_of(arguments.tandem, seed, pathlib.Path(folder))
                     for seed in range(1, arguments.grids + 1)]
        if arguments.cache:
            np.savez(arguments.cache, *grids)
    order = np.random.default_rng(SEED).permutation(len(grids))
    test_grids, validation_grids = len(grids) // 5, len(grids) // 10
    parts = {"test": order[:test_grids], "validation": order[test_grids:test_grids + validation_grids],
             "train": order[test_grids + validation_grids:]}
    rows = {name: np.concatenate([grids[i] for i in chosen]).astype(np.float32).astype(float)
            for name, chosen in parts.items()}
    features = {name: part[:, :-1] for name, part in rows.items()}
    labels = {name: np.log(part[:, -1]) for name, part in rows.items()}

    train = features["train"], labels["train"]
    weights, mean, deviation = fit(train, (features["validation"], labels["validation"]))
    model = to_onnx(weights, mean, deviation)
    target = HERE / "models" / MODEL / "1"
    target.mkdir(parents=True, exist_ok=True)
    (target / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))

    predicted = predict(weights, mean, deviation, features["test"])
    metrics = {
        "model": MODEL, "version": 1, "predicts": "95th percentile of a site's time to first token, in milliseconds",
        "seed": SEED, "parameters": int(sum(w.size for w in weights)),
        "grids": {name: len(chosen) for name, chosen in parts.items()},
        "rows": {name: len(part) for name, part in rows.items()},
        "held_out": {"model": errors(predicted, labels["test"]),
                     **{name: {"rule": BASELINES[name], **errors(values, labels["test"])}
                        for name, values in rules_of_thumb(train, features["test"]).items()}},
        "features": FEATURES}
    (HERE / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    some = np.random.default_rng(SEED).permutation(len(predicted))[:64]
    with open(HERE / "held_out.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FEATURES, "ttft_p95_ms", "predicted_ttft_p95_ms"])
        for i in some:
            writer.writerow([*(f"{value:.9g}" for value in features["test"][i]), f"{np.exp(labels['test'][i]):.6g}",
                             f"{np.exp(predicted[i]):.6g}"])
    asked = [[float(f"{value:.9g}") for value in features["test"][i]] for i in some[:2]]
    request = {"inputs": [{"name": "features", "datatype": "FP32", "shape": [len(asked), len(FEATURES)], "data": asked}]}
    (HERE / "request.json").write_text(json.dumps(request) + "\n")
    print(json.dumps(metrics["held_out"], indent=2))


if __name__ == "__main__":
    main()
