"""Train the PCA and the label MLP that the sVAE is compared with, and predict the test stars."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np

    from xpsvae.analysis.baselines import MLP_LABELS, extinction, predict_label_mlp, predict_pca
    from xpsvae.model.standardise import standardise
    from xpsvae.products import read_array, read_table, write_array, write_json

    given, settings = snakemake.input, dict(snakemake.params)
    stars = read_table(given.stars, ["phot_g_mean_flux", "sfd_ebv", *MLP_LABELS])
    stars["a_k"] = extinction(stars["a_k"], stars["sfd_ebv"])
    subsets = read_table(given.subsets, ["train", "test"])
    train, test = subsets["train"].to_numpy(bool), subsets["test"].to_numpy(bool)
    mu, sigma = (read_array(given.normalisation)[name] for name in ("mu", "sigma"))
    coefficients, errors = read_array(given.coefficients), read_array(given.errors)
    x, x_err = standardise(coefficients, errors, stars["phot_g_mean_flux"], mu, sigma)

    pca, explained = predict_pca(x, train, test, settings.pop("components"))
    labels = stars[list(MLP_LABELS)].to_numpy(float)
    label_mlp, summary = predict_label_mlp(labels, x, x_err, mu, sigma, train, test, **settings)
    write_array(snakemake.output.pca, pca.astype(np.float32))
    write_array(snakemake.output.label_mlp, label_mlp.astype(np.float32))
    summary = {"pca": {"explained_variance": explained.tolist()}, "label_mlp": summary}
    write_json(snakemake.output.summary, summary)
