"""Opens a run folder as a user would: open_run.py RUN SITES COUPLINGS ROWS. Exit code 77: a module is missing."""

import pathlib
import sys

try:
    import numpy
except ImportError as error:
    print(f"{error}: pip install numpy polars pyarrow", file=sys.stderr)
    sys.exit(77)

run, sites, couplings, rows = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])

final = {
    "couplings": ("float64", (couplings,)),
    "coupling_codes": ("uint16", (couplings,)),
    "coupling_sites": ("uint16", (couplings, 2)),
    "field_x": ("float64", (sites,)),
    "field_y": ("float64", (sites,)),
    "field_codes": ("uint16", (sites, 2)),
    "positions": ("float64", (sites, 2)),
}
assert {path.stem for path in (run / "final").iterdir()} == set(final)
for name, (dtype, shape) in final.items():
    array = numpy.load(run / "final" / f"{name}.npy", allow_pickle=False)
    assert (array.dtype, array.shape) == (dtype, shape), (name, array.dtype, array.shape)
    assert numpy.isfinite(array).all(), name

columns = {
    "epoch": "uint32", "step": "uint32", "shot": "uint64", "sample": "uint32", "start": "uint32", "stream": "string",
    "segment": "uint8", "kind": "string", "beta": "double", "generation": "uint32", "crc": "uint32", "flags": "uint16",
    "settle_us": "uint32", "residual_turn": "uint16", "moved_turn": "uint16",
}
stream = run / "equilibria" / "000000.arrows"
readers = 0

try:
    import pyarrow.ipc
except ImportError as error:
    print(f"skipped: {error}", file=sys.stderr)
else:
    readers += 1
    with pyarrow.ipc.open_stream(stream) as reader:
        table = reader.read_all()
    assert table.num_rows == rows, table.num_rows
    assert {name: str(table.schema.field(name).type) for name in columns} == columns
    phases = table.schema.field("phases")
    assert phases.type.list_size == sites and str(phases.type.value_type) == "uint16", phases
    assert phases.metadata[b"unit"] == b"2^-16 turn"
    assert table.schema.metadata[b"site_count"] == str(sites).encode()

try:
    import polars
except ImportError as error:
    print(f"skipped: {error}", file=sys.stderr)
else:
    readers += 1
    frame = polars.read_ipc_stream(stream)  # as `xyloop train` says at its end
    assert frame.height == rows, frame.height
    assert frame.schema["phases"] == polars.Array(polars.UInt16, sites), frame.schema
    assert frame.schema["shot"] == polars.UInt64 and frame.schema["kind"] == polars.String, frame.schema
    free = frame.filter((polars.col("kind") == "free") & (polars.col("stream") == "eval"))
    assert free["phases"].to_numpy().shape == (20, sites)
    metrics = polars.read_csv(run / "metrics.csv")
    assert metrics["epoch"].to_list() == [1, 2, 3, 4, 5, 6], metrics
    assert metrics["mean_distance"].dtype == polars.Float64

if readers == 0:
    sys.exit(77)
