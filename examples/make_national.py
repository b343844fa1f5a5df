#!/usr/bin/env python3
"""Writes examples/national.yaml: the grid of an operator of our own making, "Lindwurm Telekom".

    python3 examples/make_national.py > examples/national.yaml

City coordinates are real; operator, sites, ducts, tenants and demands are invented. Python's standard library only,
and the same output on every run. `--report` prints what the grid adds up to instead.
"""
import hashlib
import heapq
import math
import sys

# ---- Places ------------------------------------------------------------------------------------------------------

# id: (name, latitude, longitude, jurisdiction, tier)
CITIES = {
    "fra": ("Frankfurt am Main", 50.1109, 8.6821, "DE", "core"),
    "ber": ("Berlin", 52.5200, 13.4050, "DE", "core"),
    "ham": ("Hamburg", 53.5511, 9.9937, "DE", "core"),
    "muc": ("München", 48.1351, 11.5820, "DE", "core"),
    "dus": ("Düsseldorf", 51.2277, 6.7735, "DE", "core"),
    "lej": ("Leipzig", 51.3397, 12.3731, "DE", "core"),
    "str": ("Stuttgart", 48.7758, 9.1829, "DE", "core"),
    "haj": ("Hannover", 52.3759, 9.7320, "DE", "core"),
    "vie": ("Wien", 48.2082, 16.3738, "AT", "core"),
    "lnz": ("Linz", 48.3069, 14.2858, "AT", "core"),
    "cgn": ("Köln", 50.9375, 6.9603, "DE", "near_edge"),
    "dtm": ("Dortmund", 51.5136, 7.4653, "DE", "near_edge"),
    "ess": ("Essen", 51.4556, 7.0116, "DE", "near_edge"),
    "bre": ("Bremen", 53.0793, 8.8017, "DE", "near_edge"),
    "nue": ("Nürnberg", 49.4521, 11.0767, "DE", "near_edge"),
    "drs": ("Dresden", 51.0504, 13.7373, "DE", "near_edge"),
    "ksf": ("Kassel", 51.3127, 9.4797, "DE", "near_edge"),
    "kar": ("Karlsruhe", 49.0069, 8.4037, "DE", "near_edge"),
    "man": ("Mannheim", 49.4875, 8.4660, "DE", "near_edge"),
    "fri": ("Freiburg im Breisgau", 47.9990, 7.8421, "DE", "near_edge"),
    "ulm": ("Ulm", 48.4011, 9.9876, "DE", "near_edge"),
    "reg": ("Regensburg", 49.0134, 12.1016, "DE", "near_edge"),
    "erf": ("Erfurt", 50.9848, 11.0299, "DE", "near_edge"),
    "ros": ("Rostock", 54.0924, 12.0991, "DE", "near_edge"),
    "kie": ("Kiel", 54.3233, 10.1228, "DE", "near_edge"),
    "fmo": ("Münster", 51.9607, 7.6261, "DE", "near_edge"),
    "saa": ("Saarbrücken", 49.2402, 6.9969, "DE", "near_edge"),
    "mag": ("Magdeburg", 52.1205, 11.6276, "DE", "near_edge"),
    "grz": ("Graz", 47.0707, 15.4395, "AT", "near_edge"),
    "sbg": ("Salzburg", 47.8095, 13.0550, "AT", "near_edge"),
    "inn": ("Innsbruck", 47.2692, 11.4041, "AT", "near_edge"),
    "klu": ("Klagenfurt", 46.6247, 14.3053, "AT", "near_edge"),
    "brg": ("Bregenz", 47.5031, 9.7471, "AT", "near_edge"),
    "fle": ("Flensburg", 54.7937, 9.4470, "DE", "far_edge"),
    "lub": ("Lübeck", 53.8655, 10.6866, "DE", "far_edge"),
    "old": ("Oldenburg", 53.1435, 8.2146, "DE", "far_edge"),
    "osn": ("Osnabrück", 52.2799, 8.0472, "DE", "far_edge"),
    "bie": ("Bielefeld", 52.0302, 8.5325, "DE", "far_edge"),
    "got": ("Göttingen", 51.5413, 9.9158, "DE", "far_edge"),
    "che": ("Chemnitz", 50.8278, 12.9214, "DE", "far_edge"),
    "jen": ("Jena", 50.9271, 11.5892, "DE", "far_edge"),
    "hof": ("Hof", 50.3135, 11.9128, "DE", "far_edge"),
    "wue": ("Würzburg", 49.7913, 9.9534, "DE", "far_edge"),
    "aug": ("Augsburg", 48.3705, 10.8978, "DE", "far_edge"),
    "pas": ("Passau", 48.5667, 13.4319, "DE", "far_edge"),
    "kon": ("Konstanz", 47.6779, 9.1732, "DE", "far_edge"),
    "tri": ("Trier", 49.7490, 6.6371, "DE", "far_edge"),
    "kob": ("Koblenz", 50.3569, 7.5890, "DE", "far_edge"),
    "aac": ("Aachen", 50.7753, 6.0839, "DE", "far_edge"),
    "bra": ("Braunschweig", 52.2689, 10.5268, "DE", "far_edge"),
    "cot": ("Cottbus", 51.7563, 14.3329, "DE", "far_edge"),
    "hei": ("Heilbronn", 49.1427, 9.2109, "DE", "far_edge"),
    "gap": ("Garmisch-Partenkirchen", 47.4917, 11.0955, "DE", "far_edge"),
    "stp": ("St. Pölten", 48.2047, 15.6256, "AT", "far_edge"),
    "wel": ("Wels", 48.1575, 14.0289, "AT", "far_edge"),
    "vil": ("Villach", 46.6103, 13.8558, "AT", "far_edge"),
    "fel": ("Feldkirch", 47.2372, 9.5981, "AT", "far_edge"),
    "wrn": ("Wiener Neustadt", 47.8151, 16.2465, "AT", "far_edge"),
    "wob": ("Wolfsburg, press shop", 52.4227, 10.7865, "DE", "device"),
    "haf": ("Hamburg, container terminal", 53.5330, 9.9170, "DE", "device"),
    "kli": ("Berlin, university clinic", 52.5270, 13.3770, "DE", "device"),
    "are": ("München, stadium", 48.2188, 11.6247, "DE", "device"),
    "voe": ("Linz, steelworks", 48.2750, 14.3370, "AT", "device"),
    "dub": ("Dublin, cloud region", 53.3498, -6.2603, "IE", "cloud"),
    "iad": ("Ashburn, Virginia, cloud region", 39.0438, -77.4874, "US", "cloud"),
}
CORES = [c for c, v in CITIES.items() if v[4] == "core"]

# Ducts between neighbours. Every fibre between two cities lies in these, so links that share one are lost together.
DUCTS = """ham-kie kie-fle ham-lub lub-ros ham-bre bre-old old-osn bre-haj ham-haj haj-bra bra-mag mag-ber ros-ber ham-ber
haj-bie bie-dtm osn-fmo fmo-dtm dtm-ess ess-dus dus-cgn cgn-aac aac-dus cgn-kob kob-tri tri-saa saa-man kob-fra cgn-fra
fra-man man-hei hei-str man-kar kar-str kar-fri fri-kon kon-ulm str-ulm ulm-aug aug-muc fra-wue wue-nue nue-reg reg-pas
nue-muc reg-muc muc-gap nue-hof hof-che che-drs che-lej lej-drs drs-cot cot-ber ber-lej lej-mag lej-jen jen-erf erf-ksf
ksf-fra ksf-got got-haj erf-wue jen-hof hei-wue dtm-ksf bra-wob ham-haf ber-kli muc-are
pas-lnz lnz-wel wel-sbg sbg-muc lnz-stp stp-vie vie-wrn wrn-grz grz-klu klu-vil vil-sbg sbg-inn inn-gap inn-fel fel-brg
brg-kon grz-lnz lnz-voe ham-dub dus-dub dub-iad ham-iad""".split()
TRUNKS = {"fra-wue", "wue-nue", "ksf-got", "got-haj", "reg-pas", "pas-lnz", "che-drs", "che-lej", "ulm-aug", "aug-muc", "ess-dus"}
SEA = {"ham-dub", "dus-dub", "dub-iad", "ham-iad"}

# Wavelengths that run through without stopping, over the shortest way of ducts.
EXPRESS = "fra-ber fra-ham fra-muc fra-dus fra-lej fra-str ber-ham ber-muc ham-dus muc-vie muc-str vie-lnz haj-lej haj-dus".split()

MODEL_STORES = {"fra", "vie"}  # new replicas fetch their weights there

LAND_ROUTE_FACTOR = 1.3   # fibre over great circle, along roads and railways
SEA_ROUTE_FACTOR = 1.15   # submarine cables run straighter
FIBRE_US_PER_KM = 4.9


def great_circle_km(a, b):
    (la, oa), (lb, ob) = [(math.radians(CITIES[c][1]), math.radians(CITIES[c][2])) for c in (a, b)]
    h = math.sin((lb - la) / 2) ** 2 + math.cos(la) * math.cos(lb) * math.sin((ob - oa) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(h))


def duct_km(duct):
    a, b = duct.split("-")
    return max(1.0, round(great_circle_km(a, b) * (SEA_ROUTE_FACTOR if duct in SEA else LAND_ROUTE_FACTOR), 1))


def duct_path(a, b):
    """The shortest way of land ducts from a to b, as a list of ducts."""
    queue, seen = [(0.0, a, [])], set()
    while queue:
        km, at, path = heapq.heappop(queue)
        if at == b:
            return path
        if at in seen:
            continue
        seen.add(at)
        for duct in DUCTS:
            ends = duct.split("-")
            if at in ends and duct not in SEA:
                heapq.heappush(queue, (km + duct_km(duct), ends[1 - ends.index(at)], path + [duct]))
    raise ValueError(f"no ducts from {a} to {b}")


# ---- Accelerators, models, profiles ------------------------------------------------------------------------------

# id: name, memory GB, memory bandwidth GB/s, dense BF16 TFLOP/s (makers' data sheets), idle W, peak W, purchase EUR,
#     seconds of an all-reduce between accelerators of one replica (PCIe or a fast fabric; our estimate)
ACCELERATORS = {
    "l4": ("NVIDIA L4", 24, 300, 121, 16, 72, 2_500, 30e-6),
    "l40s": ("NVIDIA L40S", 48, 864, 362, 35, 350, 8_000, 30e-6),
    "a100-80gb": ("NVIDIA A100 SXM 80GB", 80, 2039, 312, 55, 400, 12_000, 12e-6),
    "h100-80gb": ("NVIDIA H100 SXM 80GB", 80, 3350, 989, 70, 700, 27_000, 10e-6),
    "h200": ("NVIDIA H200 SXM", 141, 4800, 989, 75, 700, 32_000, 10e-6),
    "mi300x": ("AMD Instinct MI300X", 192, 5300, 1307, 140, 750, 20_000, 14e-6),
}
SERVER_SHARE = 1.6        # server, rack and network on top of the card
LIFE_HOURS = 4 * 8766     # written off over four years

# id: name, aliases, parameters (billion), of which a token uses, weight bytes each, layers, KV heads, head size, context
MODELS = {
    "llama-3.2-3b": ("Llama 3.2 3B Instruct", ["llama-3.2-3b-instruct"], 3.21, 3.21, 2, 28, 8, 128, 131072),
    "llama-3.1-8b": ("Llama 3.1 8B Instruct", ["llama-3.1-8b-instruct"], 8.03, 8.03, 2, 32, 8, 128, 131072),
    "mistral-small-24b": ("Mistral Small 3 24B", ["mistral-small"], 23.6, 23.6, 2, 40, 8, 128, 32768),
    "qwen2.5-32b": ("Qwen2.5 32B Instruct", ["qwen2.5-32b-instruct"], 32.8, 32.8, 2, 64, 8, 128, 32768),
    "llama-3.3-70b": ("Llama 3.3 70B Instruct, FP8", ["llama-3.3-70b-instruct"], 70.6, 70.6, 1, 80, 8, 128, 131072),
    "llama-2-70b": ("Llama 2 70B Chat", ["llama2-70b"], 69.0, 69.0, 2, 80, 8, 128, 4096),
    "mixtral-8x7b": ("Mixtral 8x7B Instruct", ["mixtral"], 46.7, 12.9, 2, 32, 8, 128, 32768),
    "qwen2.5-vl-3b": ("Qwen2.5 VL 3B Instruct", ["qwen2.5-vl-3b-instruct"], 3.75, 3.75, 2, 36, 2, 128, 32768),
    "bloom-176b": ("BLOOM 176B", ["bloom"], 176.2, 176.2, 2, 70, 112, 128, 2048),
}

# Which model runs on which accelerator, with how many per replica.
ROOFLINE = """llama-3.2-3b:l4:1 llama-3.2-3b:l40s:1 llama-3.2-3b:a100-80gb:1 llama-3.1-8b:l4:1 llama-3.1-8b:l40s:1
llama-3.1-8b:a100-80gb:1 llama-3.1-8b:h100-80gb:1 llama-3.1-8b:h200:1 llama-3.1-8b:mi300x:1 mistral-small-24b:l40s:2
mistral-small-24b:a100-80gb:1 mistral-small-24b:h100-80gb:1 mistral-small-24b:h200:1 mistral-small-24b:mi300x:1
qwen2.5-32b:l40s:2 qwen2.5-32b:a100-80gb:2 qwen2.5-32b:h100-80gb:2 qwen2.5-32b:h200:1 qwen2.5-32b:mi300x:1
llama-3.3-70b:l40s:4 llama-3.3-70b:a100-80gb:2 llama-3.3-70b:h100-80gb:2 llama-3.3-70b:h200:1 llama-3.3-70b:mi300x:1
llama-2-70b:h200:2 llama-2-70b:mi300x:1 mixtral-8x7b:l40s:4 mixtral-8x7b:a100-80gb:2 mixtral-8x7b:h100-80gb:2
mixtral-8x7b:h200:1 mixtral-8x7b:mi300x:1 qwen2.5-vl-3b:l4:1 qwen2.5-vl-3b:l40s:1 qwen2.5-vl-3b:a100-80gb:1
qwen2.5-vl-3b:h100-80gb:1 qwen2.5-vl-3b:mi300x:1 bloom-176b:mi300x:4""".split()

# Medians of the measurements published with splitwise-sim (MIT licence): time per token at a prompt of 512 tokens, by
# batch; prefill from the slope between prompts of 512 and 2048 tokens. `power` is the mean draw over the peak, measured
# on the A100 up to batch 16, held beyond; on the H100 it was not measured and the A100's fractions stand in.
BATCHES = [1, 2, 4, 8, 16, 32, 64]
MEASURED = [
    # model, accelerator, tensor parallel, prefill tokens/s, overhead ms, ms per token by batch, mean power over peak
    ("llama-2-70b", "a100-80gb", 4, 5558, 34.8, [44.99, 45.01, 45.09, 45.80, 48.52, 52.35, 72.95], [.599, .607, .604, .615, .642, .642, .642]),
    ("llama-2-70b", "h100-80gb", 4, 10888, 12.6, [29.72, 29.98, 29.92, 31.44, 32.84, 36.89, 52.36], [.599, .607, .604, .615, .642, .642, .642]),
    ("bloom-176b", "a100-80gb", 8, 4190, 51.6, [48.76, 49.99, 51.00, 52.95, 57.34, 65.38, 96.58], [.635, .630, .632, .643, .656, .656, .656]),
    ("bloom-176b", "h100-80gb", 8, 8648, 16.3, [36.11, 36.91, 38.06, 38.14, 40.64, 45.84, 63.82], [.635, .630, .632, .643, .656, .656, .656]),
]

MEMORY_USED = 0.9            # of the accelerator's memory; the rest is activations and the runtime
BANDWIDTH_EFFICIENCY = 0.7   # of the data sheet's, reached by decode
COMPUTE_EFFICIENCY = 0.45    # of the data sheet's, reached by prefill
STEP_OVERHEAD_S = 1.5e-3     # scheduling and kernel launches, each decode step
CONTEXT_TOKENS = 1024        # mean context whose KV cache a decode step reads


def weights_gb(model):
    return round(MODELS[model][2] * MODELS[model][4], 1)


def kv_bytes_per_token(model):
    _, _, _, _, _, layers, heads, size, _ = MODELS[model]
    return 2 * layers * heads * size * 2  # keys and values, 16 bits each


def kv_memory_gb(model, accelerator, tp):
    return round(ACCELERATORS[accelerator][1] * tp * MEMORY_USED - weights_gb(model), 1)


def weights_read_gb(model, batch):
    """What one decode step reads of the weights: of a mixture of experts (2 of 8), those that the batch touches."""
    _, _, total, active, weight_bytes, *_ = MODELS[model]
    if active == total:
        return total * weight_bytes
    expert = (total - active) / 6            # 8 experts in all, 2 of them active
    return (active - 2 * expert + 8 * expert * (1 - (1 - 2 / 8) ** batch)) * weight_bytes


def decode_ms(model, accelerator, tp, batch):
    _, _, bandwidth, tflops, *_, all_reduce = ACCELERATORS[accelerator]
    _, _, _, active, _, layers, *_ = MODELS[model]
    gigabytes = weights_read_gb(model, batch) + batch * CONTEXT_TOKENS * kv_bytes_per_token(model) / 1e9
    memory_s = gigabytes / (bandwidth * tp * BANDWIDTH_EFFICIENCY)
    compute_s = batch * 2 * active / (tflops * 1e3 * tp * COMPUTE_EFFICIENCY)
    exchange_s = 2 * layers * all_reduce if tp > 1 else 0
    return round((max(memory_s, compute_s) + exchange_s + STEP_OVERHEAD_S) * 1e3, 2)


def profiles():
    result = []
    for entry in ROOFLINE:
        model, accelerator, tp = entry.split(":")
        tp = int(tp)
        name, memory, bandwidth, tflops, idle, peak, *_ = ACCELERATORS[accelerator]
        kv = kv_memory_gb(model, accelerator, tp)
        prefill = round(tflops * 1e3 * tp * COMPUTE_EFFICIENCY / (2 * MODELS[model][3]))
        batches = [b for b in BATCHES if b * CONTEXT_TOKENS * kv_bytes_per_token(model) / 1e9 <= kv]
        points = [(b, decode_ms(model, accelerator, tp, b),
                   round(tp * (idle + (peak - idle) * (0.5 + 0.4 * i / (len(BATCHES) - 1))))) for i, b in enumerate(batches)]
        result.append((model, accelerator, tp, prefill, 15.0, kv, points, "roofline estimate: see the head of this file"))
    for model, accelerator, tp, prefill, overhead, decode, power in MEASURED:
        kv = kv_memory_gb(model, accelerator, tp)
        points = [(b, ms, round(tp * ACCELERATORS[accelerator][5] * p)) for b, ms, p in zip(BATCHES, decode, power)
                  if b * CONTEXT_TOKENS * kv_bytes_per_token(model) / 1e9 <= kv]
        source = "measured: splitwise-sim, medians at a prompt of 512 tokens"
        if accelerator.startswith("h100"):
            source += "; power estimated from the A100's"
        result.append((model, accelerator, tp, prefill, overhead, kv, points, source))
    return sorted(result, key=lambda p: (list(MODELS).index(p[0]), list(ACCELERATORS).index(p[1])))


# ---- Pools -------------------------------------------------------------------------------------------------------

POOLS = {
    "fra": [("h100-80gb", 24), ("a100-80gb", 16)], "ber": [("h100-80gb", 16), ("l40s", 8)],
    "ham": [("a100-80gb", 16), ("l40s", 8)], "muc": [("h200", 8), ("l40s", 8)],
    "dus": [("a100-80gb", 16), ("l40s", 8)], "lej": [("h200", 8)], "str": [("h100-80gb", 16), ("l40s", 8)],
    "haj": [("a100-80gb", 16)], "vie": [("h100-80gb", 16), ("l40s", 8)], "lnz": [("a100-80gb", 16)],
    "dub": [("h200", 16), ("a100-80gb", 8)], "iad": [("mi300x", 48), ("h100-80gb", 16)],
}
NEAR_EDGE_POOL = [("l40s", 4)]
FAR_EDGE_POOL = [("l4", 4)]
DEVICE_POOL = [("l4", 4)]
NO_POOL = {"hof", "tri", "cot", "fle", "old", "osn", "bie", "got", "jen", "che", "aac", "hei", "wel", "wrn", "lub"}  # no room
RADIO_RESERVE = {"far_edge": 2, "near_edge": 1}  # accelerators that the radio network takes in its evening peak

# tier: EUR/kWh, g CO2/kWh (Germany), PUE, spare kW beside the accelerators
POWER = {"core": (0.19, 360, 1.25), "near_edge": (0.24, 360, 1.45), "far_edge": (0.29, 360, 1.7), "device": (0.31, 360, 1.9)}
CLOUD_POWER = {"dub": (0.13, 280, 1.15), "iad": (0.065, 340, 1.12)}
AUSTRIA_CARBON = 110


def pools_of(city):
    tier = CITIES[city][4]
    if city in NO_POOL:
        return []
    return POOLS.get(city) or {"near_edge": NEAR_EDGE_POOL, "far_edge": FAR_EDGE_POOL, "device": DEVICE_POOL}[tier]


# ---- Regions -----------------------------------------------------------------------------------------------------

# id: name, place of its middle, population, anchors (city, access us, backhaul us). Where the first anchor is not the
# nearest city the traffic takes the long way round; those say so.
REGIONS = {
    "berlin": ("Berlin", 52.52, 13.40, 3_700_000, [("ber", 3000, 150), ("lej", 3000, 1100)]),
    "brandenburg": ("Brandenburg", 52.10, 13.60, 2_500_000, [("ber", 4500, 500), ("mag", 4500, 900)]),
    "hamburg": ("Hamburg", 53.55, 10.00, 1_900_000, [("ham", 3000, 150), ("bre", 3000, 700)]),
    "schleswig-holstein": ("Schleswig-Holstein", 54.30, 9.80, 2_900_000, [("kie", 4500, 350), ("ham", 4500, 700)]),
    # Stralsund is a short way from Rostock, but its traffic surfaces in Hamburg.
    "vorpommern": ("Vorpommern", 54.20, 13.00, 700_000, [("ham", 5500, 2100), ("ros", 5500, 2900)]),
    "mecklenburg": ("Mecklenburg", 53.90, 12.00, 900_000, [("ros", 5000, 400), ("ham", 5000, 1400)]),
    "bremen": ("Bremen und Weser-Ems", 53.10, 8.60, 2_700_000, [("bre", 4000, 300), ("haj", 4000, 800)]),
    "hannover": ("Hannover", 52.40, 9.70, 3_000_000, [("haj", 3800, 250), ("ksf", 3800, 1000)]),
    "muensterland": ("Münsterland", 52.00, 7.60, 1_700_000, [("fmo", 4200, 250), ("dtm", 4200, 500)]),
    "ruhr": ("Ruhrgebiet", 51.48, 7.20, 5_100_000, [("ess", 3200, 200), ("dtm", 3200, 250)]),
    "rheinland": ("Rheinland", 50.95, 6.90, 4_400_000, [("cgn", 3200, 200), ("dus", 3200, 300)]),
    "duesseldorf": ("Düsseldorf", 51.23, 6.78, 2_400_000, [("dus", 3000, 150), ("ess", 3000, 250)]),
    "nordhessen": ("Nordhessen", 51.20, 9.40, 1_200_000, [("ksf", 4500, 300), ("fra", 4500, 1200)]),
    "rhein-main": ("Rhein-Main", 50.10, 8.60, 5_800_000, [("fra", 3000, 150), ("man", 3000, 500)]),
    "saarland": ("Saarland", 49.30, 6.95, 1_000_000, [("saa", 4200, 250), ("man", 4200, 900)]),
    "rhein-neckar": ("Rhein-Neckar", 49.45, 8.55, 2_400_000, [("man", 3400, 200), ("kar", 3400, 400)]),
    "stuttgart": ("Stuttgart", 48.78, 9.18, 5_300_000, [("str", 3200, 200), ("ulm", 3200, 600)]),
    "breisgau": ("Breisgau", 48.00, 7.85, 1_100_000, [("fri", 4300, 250), ("kar", 4300, 900)]),
    # Konstanz has a router of ours, but no anchor: Bodensee surfaces in Ulm, then Stuttgart.
    "bodensee": ("Bodensee", 47.70, 9.20, 700_000, [("ulm", 5000, 1100), ("str", 5000, 1500)]),
    "oberbayern": ("Oberbayern", 48.14, 11.58, 4_700_000, [("muc", 3100, 200), ("reg", 3100, 800)]),
    "schwaben": ("Schwaben", 48.37, 10.60, 1_900_000, [("ulm", 4000, 500), ("muc", 4000, 600)]),
    "franken": ("Franken", 49.50, 11.00, 3_600_000, [("nue", 3600, 250), ("reg", 3600, 800)]),
    "ostbayern": ("Ostbayern", 48.95, 12.40, 2_300_000, [("reg", 4600, 350), ("muc", 4600, 900)]),
    "thueringen": ("Thüringen", 50.95, 11.20, 2_100_000, [("erf", 4400, 300), ("lej", 4400, 900)]),
    "sachsen": ("Sachsen", 51.05, 13.70, 2_600_000, [("drs", 3900, 250), ("lej", 3900, 800)]),
    "leipzig": ("Leipzig und Halle", 51.35, 12.30, 1_600_000, [("lej", 3400, 200), ("mag", 3400, 800)]),
    "wien": ("Wien", 48.21, 16.37, 2_000_000, [("vie", 3000, 150), ("lnz", 3000, 1300)]),
    "niederoesterreich": ("Niederösterreich", 48.20, 15.70, 1_700_000, [("vie", 4400, 600), ("lnz", 4400, 1000)]),
    "oberoesterreich": ("Oberösterreich", 48.25, 14.20, 1_500_000, [("lnz", 3800, 250), ("sbg", 3800, 900)]),
    "salzburg": ("Salzburg", 47.80, 13.05, 600_000, [("sbg", 3800, 200), ("lnz", 3800, 900)]),
    "tirol": ("Tirol", 47.25, 11.40, 800_000, [("inn", 4600, 300), ("sbg", 4600, 1300)]),
    # Bregenz is next door; the access network of Vorarlberg still hangs off Innsbruck, across the Arlberg.
    "vorarlberg": ("Vorarlberg", 47.45, 9.75, 400_000, [("inn", 4600, 1400), ("brg", 4600, 2600)]),
    "steiermark": ("Steiermark", 47.10, 15.40, 1_300_000, [("grz", 4000, 250), ("vie", 4000, 1400)]),
    "kaernten": ("Kärnten", 46.65, 14.20, 600_000, [("klu", 4500, 300), ("grz", 4500, 900)]),
    # Campus networks with an anchor of their own, so that what fills their links need not leave the premises.
    "werk-wolfsburg": ("Werk Wolfsburg", 52.43, 10.79, 60_000, [("wob", 1200, 20), ("haj", 3800, 600)]),
    "hafen-hamburg": ("Hafen Hamburg", 53.53, 9.92, 15_000, [("haf", 1200, 20), ("ham", 3000, 150)]),
    "klinik-berlin": ("Klinik Berlin", 52.53, 13.38, 13_000, [("kli", 1200, 20), ("ber", 3000, 150)]),
    "stadion-muenchen": ("Stadion München", 48.22, 11.63, 75_000, [("are", 1500, 20), ("muc", 3100, 200)]),
    "werk-linz": ("Werk Linz", 48.28, 14.34, 12_000, [("voe", 1200, 20), ("lnz", 3800, 250)]),
}
CAMPUSES = ["werk-wolfsburg", "hafen-hamburg", "klinik-berlin", "stadion-muenchen", "werk-linz"]
AUSTRIAN = ["wien", "niederoesterreich", "oberoesterreich", "salzburg", "tirol", "vorarlberg", "steiermark", "kaernten"]
GERMAN = [r for r in REGIONS if r not in AUSTRIAN + CAMPUSES]
LOCAL_REGION = "berlin"  # gets the loopback addresses, so that a client on this machine is somewhere

# ---- Tenants and demands -----------------------------------------------------------------------------------------

# id: name, key, residency, data class, models, TTFT ms, TPOT ms, quantile, priority
TENANTS = {
    "rheinbank": ("Rheinbank", "sk-bank-example", ["DE"], "personal", ["llama-3.3-70b", "mistral-small-24b"], 900, 60, 0.95, 8),
    "klinikum": ("Klinikum-Verbund Nord", "sk-clinic-example", ["DE"], "health", ["llama-3.3-70b", "qwen2.5-32b"], 1500, 70, 0.99, 9),
    "ministerium": ("Bundesministerium für Beispiele", "sk-ministry-example", ["AT"], "personal", ["mistral-small-24b", "llama-3.1-8b"], 1200, 70, 0.95, 7),
    "sturmspiel": ("Sturmspiel Studios", "sk-game-example", None, "public", ["llama-3.2-3b", "llama-3.1-8b"], 110, 30, 0.95, 5),
    "werkstatt": ("Werkstatt Automobil", "sk-factory-example", ["AT", "DE"], "internal", ["llama-3.1-8b", "mistral-small-24b"], 350, 45, 0.99, 6),
    "sichtwerk": ("Sichtwerk Video", "sk-video-example", ["AT", "DE"], "personal", ["qwen2.5-vl-3b"], 700, 60, 0.95, 4),
    "zahlenwerk": ("Zahlenwerk Analytics", "sk-batch-example", None, "public", ["llama-2-70b", "mixtral-8x7b", "llama-3.1-8b"], 20_000, 200, 0.9, 1),
    "sprachlabor": ("Sprachlabor an der Universität", "sk-lab-example", ["AT", "DE", "IE"], "internal", ["bloom-176b", "qwen2.5-32b"], 4_000, 120, 0.9, 2),
    "demo": ("Demonstration", "sk-demo", None, "public", [], 1_500, 100, 0.95, 3),
}

# By the clock of the region, of the busiest hour. Invented, in the shapes that offices, shifts and evenings have.
UTC_OFFSET_HOUR = 1  # Central European Time; in summer the day begins an hour earlier
DAYS = {
    "office": ("Office hours", [6, 5, 5, 5, 6, 10, 25, 55, 85, 100, 100, 97, 85, 92, 97, 95, 85, 65, 42, 30, 22, 16, 11, 8]),
    "ward": ("Day and night shift of a hospital", [30, 28, 27, 27, 30, 40, 65, 90, 100, 100, 98, 95, 88, 90, 92, 88, 80, 72, 65, 60, 52, 45, 38, 33]),
    "shifts": ("Two shifts of a factory", [25, 25, 25, 25, 40, 80, 100, 100, 100, 95, 100, 100, 90, 85, 100, 100, 100, 95, 90, 100, 95, 70, 40, 25]),
    "evening": ("After work", [35, 22, 14, 10, 8, 8, 10, 14, 16, 18, 22, 28, 34, 36, 40, 48, 58, 70, 82, 93, 100, 98, 82, 58]),
    "night": ("Batches at night", [100, 100, 100, 100, 95, 80, 50, 25, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 25, 35, 60, 85, 100, 100]),
}
DAY_OF = {"rheinbank": "office", "ministerium": "office", "sprachlabor": "office", "klinikum": "ward", "werkstatt": "shifts",
          "sturmspiel": "evening", "zahlenwerk": "night"}  # the others ask the same all day

CLIP_BYTES = 25_000_000  # ten seconds of video: what makes it cheaper to answer nearby than to carry

# tenant, model, regions, requests/s per million people, prompt tokens, output tokens, prefix hit
DEMANDS = [
    ("rheinbank", "llama-3.3-70b", GERMAN, 1.1, 900, 220, 0.35),
    ("rheinbank", "mistral-small-24b", ["rhein-main", "duesseldorf", "hamburg", "berlin", "oberbayern", "stuttgart"], 1.68, 1500, 180, 0.5),
    ("klinikum", "llama-3.3-70b", ["berlin", "hamburg", "schleswig-holstein", "mecklenburg", "vorpommern", "bremen", "hannover"], 1.26, 2400, 350, 0.2),
    ("klinikum", "qwen2.5-32b", ["berlin", "hamburg", "hannover", "leipzig", "sachsen"], 1.44, 1800, 260, 0.2),
    ("ministerium", "mistral-small-24b", AUSTRIAN, 3.2, 1200, 260, 0.3),
    ("ministerium", "llama-3.1-8b", AUSTRIAN, 3.6, 700, 200, 0.3),
    ("sturmspiel", "llama-3.2-3b", [r for r in REGIONS if r not in CAMPUSES + ["vorpommern", "mecklenburg", "kaernten"]] + ["stadion-muenchen"], 3.12, 350, 60, 0.6),
    ("werkstatt", "llama-3.1-8b", ["hannover", "stuttgart", "oberbayern", "leipzig", "ruhr", "steiermark", "oberoesterreich"], 5.4, 420, 90, 0.4),
    ("werkstatt", "mistral-small-24b", ["hannover", "stuttgart", "oberbayern", "oberoesterreich"], 1.92, 900, 160, 0.4),
    ("werkstatt", "llama-3.1-8b", ["werk-wolfsburg", "werk-linz"], 30, 420, 90, 0.4),
    ("sichtwerk", "qwen2.5-vl-3b", CAMPUSES, 50, 1500, 60, 0.0),
    ("sichtwerk", "qwen2.5-vl-3b", ["ruhr", "rheinland", "franken", "sachsen", "rhein-neckar", "schleswig-holstein", "bremen", "steiermark",
                                    "breisgau", "muensterland", "tirol", "kaernten"], 3.5, 1500, 60, 0.0),
    ("zahlenwerk", "llama-2-70b", ["rhein-main", "berlin", "hamburg", "oberbayern", "wien"], 1.3, 1500, 500, 0.0),
    ("zahlenwerk", "mixtral-8x7b", ["rhein-main", "berlin", "duesseldorf", "wien"], 4.8, 2000, 400, 0.0),
    ("sprachlabor", "bloom-176b", ["berlin", "leipzig", "stuttgart", "wien"], 0.36, 600, 120, 0.0),
    ("demo", "llama-3.1-8b", ["berlin", "rhein-main", "oberbayern", "hamburg", "wien"], 1.44, 400, 150, 0.2),
    ("demo", "llama-3.2-3b", ["berlin", "wien"], 0.96, 300, 120, 0.2),
    ("demo", "mistral-small-24b", ["berlin"], 0.6, 500, 180, 0.2),
    ("demo", "llama-3.3-70b", ["berlin"], 0.36, 500, 200, 0.2),
]


def rate(region, per_million):
    return max(0.1, round(REGIONS[region][3] / 1e6 * per_million, 1))


# ---- Network -----------------------------------------------------------------------------------------------------

def router(city, duct_or_express):
    """The router that a fibre ends on: at core sites one of two, by the letters of the other end."""
    if CITIES[city][4] != "core":
        return f"{city}-r1"
    return f"{city}-r{1 + sum(map(ord, duct_or_express)) % 2}"


def capacity_gbps(duct):
    tiers = {CITIES[city][4] for city in duct.split("-")}
    if duct in TRUNKS:
        return 400
    if "device" in tiers:
        return 10
    if "cloud" in tiers:
        return 200
    if "far_edge" in tiers:
        return 100
    return 400 if tiers == {"core"} else 200


def cost_eur_per_gb(ducts):
    return round(sum(0.012 if d in ("dub-iad", "ham-iad") else 0.005 if d in SEA else 0.0008 + duct_km(d) * 4e-6 for d in ducts), 5)


def links():
    """id, a, b, capacity, length, metric, cost, ducts. Metrics are a tenth of the delay in microseconds, at least 1."""
    result = []
    for duct in DUCTS:
        a, b = duct.split("-")
        km = duct_km(duct)
        result.append((duct, router(a, duct), router(b, duct), capacity_gbps(duct), km, max(1, round(km * FIBRE_US_PER_KM / 10)),
                       cost_eur_per_gb([duct]), [duct]))
    for express in EXPRESS:
        a, b = express.split("-")
        ducts = duct_path(a, b)
        km = round(sum(map(duct_km, ducts)), 1)
        result.append((f"{express}-express", router(a, express + "x"), router(b, express + "x"), 400, km,
                       max(1, round(km * FIBRE_US_PER_KM / 10) - 3), cost_eur_per_gb(ducts), ducts))
    for city, (_, _, _, _, tier) in CITIES.items():
        if tier == "core":
            result.append((f"{city}-r1-r2", f"{city}-r1", f"{city}-r2", 800, 0.2, 1, 0, []))
            result.append((f"{city}-upf-r1", f"{city}-upf", f"{city}-r1", 1200, 0.2, 1, 0, []))
            result.append((f"{city}-upf-r2", f"{city}-upf", f"{city}-r2", 1200, 0.2, 1, 0, []))
        elif tier == "near_edge":
            result.append((f"{city}-bng-r1", f"{city}-bng", f"{city}-r1", 200, 0.2, 1, 0, []))
    return result


def anchor_node(city):
    return {"core": f"{city}-upf", "near_edge": f"{city}-bng"}.get(CITIES[city][4], f"{city}-r1")


def nodes():
    result = []
    for city, (_, _, _, _, tier) in CITIES.items():
        result.append((f"{city}-r1", city, "upf" if tier == "device" else "router"))
        if tier == "core":
            result += [(f"{city}-r2", city, "router"), (f"{city}-upf", city, "upf")]
        elif tier == "near_edge":
            result.append((f"{city}-bng", city, "bng"))
    return result


def traffic():
    """Everyday traffic: from each anchor's site to the two core sites nearest to it and to Frankfurt, by population."""
    load = {}
    for region, (_, _, _, population, anchors) in REGIONS.items():
        if region in CAMPUSES:
            continue
        city = anchors[0][0]
        near = sorted((c for c in CORES if c != city and CITIES[c][3] == CITIES[city][3]), key=lambda c: great_circle_km(city, c))
        for core in dict.fromkeys(near[:1] + (["fra"] if city != "fra" else ["ber"])):
            for pair, share in (((core, city), 1.0), ((city, core), 0.25)):
                load[pair] = load.get(pair, 0) + population / 1e6 * 11.0 * share
    return [(f"bg-{a}-{b}", anchor_node(a), anchor_node(b), round(gbps, 1)) for (a, b), gbps in sorted(load.items())]


# ---- Output ------------------------------------------------------------------------------------------------------

def text(value):
    plain = value and value[0].isalpha() and all(c.isalnum() or c in "_-. " for c in value) and value.isascii()
    return value if plain else '"' + value.replace('"', '\\"') + '"'


def flow(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {flow(v)}" for k, v in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)


def entity(out, fields):
    """One entity, wrapped at 118 columns between its keys; a list of records gets a line each."""
    line = "  - {"
    for i, (key, value) in enumerate(fields.items()):
        last = "}" if i + 1 == len(fields) else ","
        if isinstance(value, list) and len(value) > 1 and isinstance(value[0], dict):
            out.append(line.rstrip())
            rows = [flow(v) for v in value]
            out.append(f"     {key}: [" + (",\n" + " " * (len(key) + 8)).join(rows) + "]" + last)
            line = "    "
            continue
        part = f"{key}: {flow(value)}{last}"
        if len(line) + 1 + len(part) > 118:
            out.append(line.rstrip())
            line = "    "
        line += ("" if line.endswith("{") else " ") + part
    if line.strip():
        out.append(line)


HEAD = """# The grid of Lindwurm Telekom, a national operator of our own making in Germany and Austria, with cloud regions in
# Ireland and Virginia. City coordinates are real; everything else is invented. Written by examples/make_national.py.
#
# Profiles whose source says "roofline estimate" follow this rule:
#   decode ms/token = max(bytes read / (memory bandwidth x 0.7), batch x 2 x active parameters / (FLOP/s x 0.45))
#                     + 2 all-reduces a layer where a replica spans accelerators + 1.5 ms a step,
#     bytes read = the weights (of a mixture of experts those that the batch touches) + batch x 1024 tokens of KV cache
#   prefill tokens/s = FLOP/s x 0.45 / (2 x active parameters)
#   KV memory = 0.9 x the accelerators' memory - weights; power = 50 % to 90 % of the way from idle to peak, by batch
# from the makers' data sheets (dense BF16). Accelerator prices: purchase x 1.6 for server, rack and network, written off
# over four years.
tandem: 1
name: Lindwurm Telekom
simulated: true
policy: {link_headroom: 0.8, rejection_penalty_eur: 0.05, move_penalty_eur: 0.5}
"""


def write_places(out):
    out.append("\nsites:")
    for city, (name, lat, lon, country, tier) in CITIES.items():
        price, carbon, pue = CLOUD_POWER.get(city) or POWER[tier]
        kilowatts = sum(n * ACCELERATORS[a][5] for a, n in pools_of(city)) / 1e3 * 1.3 + 2
        entity(out, {"id": city, "name": name, "tier": tier, "latitude_deg": lat, "longitude_deg": lon, "jurisdiction": country,
                     "power_limit_kw": round(kilowatts, 1), "power_feeds": [f"{city}-feed-a", f"{city}-feed-b"][: 2 if tier in ("core", "cloud") else 1],
                     "power_price_eur_per_kwh": price, "carbon_g_per_kwh": AUSTRIA_CARBON if country == "AT" else carbon,
                     "pue": pue, "cooling_limit_kw": round(kilowatts * 1.1, 1),
                     **({"model_store": "true"} if city in MODEL_STORES else {})})
    out.append("\nnodes:")
    for node, site, role in nodes():
        entity(out, {"id": node, "site": site, "role": role})
    out.append("\n# The ducts. A link lists those it lies in; what cuts the duct cuts them all.\nshared_risk_groups:")
    for duct in DUCTS:
        a, b = duct.split("-")
        entity(out, {"id": f"duct-{duct}", "name": f"{CITIES[a][0]} - {CITIES[b][0]}"})
    out.append("\nlinks:")
    for link, a, b, capacity, km, metric, cost, ducts in links():
        fields = {"id": link, "a": a, "b": b, "capacity_gbps": capacity, "length_km": km, "igp_metric": metric}
        if cost:
            fields["cost_eur_per_gb"] = cost
        if ducts:
            fields["shared_risk_groups"] = [f"duct-{d}" for d in ducts]
        entity(out, fields)
    out.append("\n# The first anchor that is up and connected is used. The loopback addresses belong to a region, so that a client on\n"
               "# this machine is somewhere.\nregions:")
    for i, (region, (name, lat, lon, population, anchors)) in enumerate(REGIONS.items()):
        prefixes = [f"10.{i + 1}.0.0/16", f"2001:db8:{i + 1:x}::/48"]
        if region == LOCAL_REGION:
            prefixes += ["127.0.0.0/8", "::1/128"]
        entity(out, {"id": region, "name": name, "latitude_deg": lat, "longitude_deg": lon, "population": population, "prefixes": prefixes,
                     "anchors": [{"node": anchor_node(c), "access_delay_us": access, "backhaul_delay_us": haul} for c, access, haul in anchors],
                     "utc_offset_hour": UTC_OFFSET_HOUR})


def write_compute(out):
    out.append("\naccelerators:")
    for accelerator, (name, memory, _, _, idle, peak, price, _) in ACCELERATORS.items():
        entity(out, {"id": accelerator, "name": name, "memory_gb": memory, "idle_power_w": idle, "peak_power_w": peak,
                     "price_eur_per_hour": round(price * SERVER_SHARE / LIFE_HOURS, 3)})
    out.append("\npools:")
    for city, (_, _, _, _, tier) in CITIES.items():
        for accelerator, count in pools_of(city):
            fields = {"id": f"{city}-{accelerator}", "site": city, "node": f"{city}-r1", "accelerator": accelerator, "count": count}
            if tier in RADIO_RESERVE:
                fields["radio_reserve"] = [{"from_hour": 17, "to_hour": 22, "accelerators": RADIO_RESERVE[tier]}]
            entity(out, fields)
    out.append("\nmodels:")
    for model, (name, aliases, total, _, _, _, _, _, context) in MODELS.items():
        entity(out, {"id": model, "name": name, "aliases": aliases, "parameters_billion": total, "weights_gb": weights_gb(model),
                     "kv_bytes_per_token": kv_bytes_per_token(model), "context_tokens": context})
    out.append("\nprofiles:")
    for model, accelerator, tp, prefill, overhead, kv, points, source in profiles():
        entity(out, {"id": f"{model}-{accelerator}-tp{tp}", "model": model, "accelerator": accelerator, "tensor_parallel": tp,
                     "prefill_tokens_per_s": prefill, "prefill_overhead_ms": overhead, "kv_memory_gb": kv,
                     "points": [{"batch": b, "decode_ms_per_token": ms, "power_w": w} for b, ms, w in points], "source": source})


def write_business(out):
    out.append("\n# The keys are in examples/README.md; here stand their digests. All are accepted from this machine only.\ntenants:")
    for tenant, (name, key, residency, data_class, models, ttft, tpot, quantile, priority) in TENANTS.items():
        fields = {"id": tenant, "name": name, "keys": [{"sha256": hashlib.sha256(key.encode()).hexdigest(), "loopback_only": True}]}
        if residency:
            fields["residency"] = residency
        fields["data_class"] = data_class
        if models:
            fields["models"] = models
        entity(out, fields | {"ttft_ms": ttft, "tpot_ms": tpot, "quantile": quantile, "priority": priority})
    out.append("\nday_profiles:")
    for day, (name, percent) in DAYS.items():
        entity(out, {"id": day, "name": name, "rate_fraction": [p / 100 for p in percent]})
    out.append("\ndemands:")
    for tenant, model, regions, per_million, prompt, output, hit in DEMANDS:
        for region in regions:
            fields = {"id": f"{tenant}-{region}-{model}", "tenant": tenant, "region": region, "model": model,
                      "rate_per_s": rate(region, per_million), "prompt_tokens": prompt, "output_tokens": output}
            if model == "qwen2.5-vl-3b":
                fields["upload_bytes"] = CLIP_BYTES
            if tenant in DAY_OF:
                fields["day_profile"] = DAY_OF[tenant]
            entity(out, fields | ({"prefix_hit": hit} if hit else {}))
    out.append("\n# Everyday traffic that is there whatever is decided: by population, between anchors and the core.\ntraffic:")
    for bg, a, b, gbps in traffic():
        entity(out, {"id": bg, "from": a, "to": b, "rate_gbps": gbps})


def report():
    """What demands would take of where they may go, each at the cheapest profile there that keeps the promise."""
    price = {a: v[6] * SERVER_SHARE / LIFE_HOURS for a, v in ACCELERATORS.items()}
    home, cloud = {"DE", "AT"}, {"IE", "US"}
    worth, used = {}, {}
    for city, (_, _, _, country, _) in CITIES.items():
        for accelerator, count in pools_of(city):
            worth[country] = worth.get(country, 0) + count * price[accelerator]
    for tenant, model, regions, per_million, prompt, output, hit in DEMANDS:
        ttft, tpot = TENANTS[tenant][5:7]
        allowed = set(TENANTS[tenant][2] or home | cloud)
        if ttft < 500:
            allowed &= home  # the round trip to the clouds is too long
        there = {a for c in CITIES if CITIES[c][3] in allowed for a, _ in pools_of(c)}
        best = (math.inf, "", 0, 0)
        for p_model, accelerator, tp, prefill, overhead, kv, points, _ in profiles():
            for batch, ms, _ in points:
                slow = ms > tpot * 0.9 or overhead + prompt * (1 - hit) / prefill * 1e3 > ttft * 0.6
                full = batch * (prompt + output) * kv_bytes_per_token(model) / 1e9 > kv
                if p_model != model or accelerator not in there or slow or full:
                    continue
                seconds = (overhead / 1e3 + prompt * (1 - hit) / prefill) + output * ms / 1e3 / batch
                best = min(best, (seconds * tp * price[accelerator], accelerator, batch, seconds * tp))
        rates = sum(rate(r, per_million) for r in regions)
        where = "+".join(sorted(allowed))
        used[where] = used.get(where, 0) + best[0] * rates
        print(f"{tenant:12} {model:18} {rates:7.1f}/s on {best[1]:10} batch {best[2]:3}: {best[3] * rates:6.1f} accelerators")
    print("pools, EUR/h:", {k: round(v, 1) for k, v in worth.items()})
    print("demands, EUR/h:", {k: round(v, 1) for k, v in used.items()}, f"= {100 * sum(used.values()) / sum(worth.values()):.0f} % of all")
    print(f"{len(CITIES)} sites, {len(nodes())} nodes, {len(links())} links, {len(DUCTS)} ducts, "
          f"{sum(len(pools_of(c)) for c in CITIES)} pools, {sum(len(d[2]) for d in DEMANDS)} demands")


def main():
    if sys.argv[1:] == ["--report"]:
        return report()
    out = []
    write_places(out)
    write_compute(out)
    write_business(out)
    sys.stdout.reconfigure(encoding="utf-8")
    print(HEAD + "\n".join(out))


if __name__ == "__main__":
    main()
