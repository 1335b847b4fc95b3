"""Put the trained model into the package, and write its card."""

from xpsvae.workflow import job

with job(snakemake):
    import csv
    import shutil
    from pathlib import Path

    from xpsvae import products
    from xpsvae.own_stars import card
    from xpsvae.own_stars.pretrained import load

    given = snakemake.input
    folder = Path(snakemake.params.folder)
    model = load(Path(given.weights).parent, "cpu")
    split = products.read_table(given.split)
    measured = card.measure(
        model,
        model.reference,
        products.read_table(given.stars),
        *(products.read_array(path, memory_map=True) for path in (given.coefficients, given.errors)),
        *(split[name].to_numpy(bool) for name in ("train", "test")),
    )
    with open(given.history, encoding="utf-8", newline="") as file:
        last = {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}
    star = card.public_star()
    shift = card.inverted_shift(model, [star]) if star else None
    for path in (given.weights, given.model_config, given.normalisation, given.reference):
        with products.write_atomically(folder / Path(path).name) as temporary:
            shutil.copyfile(path, temporary)
    card.write_card(snakemake.params.card, products.read_json(given.model_config), last, measured, shift)
