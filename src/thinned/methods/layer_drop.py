"""LayerDrop: whole layers of a stack, so that a part of it can be used alone."""

from thinned.methods.entry import Entry, Paper, Row

ENTRY = Entry(
    name="LayerDrop",
    row=Row("whole layer", "Bernoulli(rate)", sharing="batch", correction="none"),
    paper=Paper(
        "Fan, Grave, Joulin",
        "Reducing Transformer Depth on Demand with Structured Dropout",
        2020,
        "https://arxiv.org/abs/1909.11556",
    ),
    layers=("torch.LayerDrop",),
    example="[nn.Linear(16, 16), nn.Linear(16, 16)], 0.5",
    cost="less than none: a dropped layer is not run (under torch.compile it is, and one pass over memory)",
)
