"""A forward model from stellar labels to a spectrum: ln f = MLP(T_eff, log g, [Fe/H]) - A_K R.

Labels in, relative flux out; the extinction curve R is one free vector shared by all stars.
Training is seeded and on the CPU, so the same input gives the same weights.
"""

import numpy as np
import torch
from torch import nn

__all__ = ["LabelMLP", "fit_label_mlp"]


class LabelMLP(nn.Module):
    """Logarithmic flux from (T_eff, log g, [Fe/H], A_K).

    The form is that of Zhang, Green & Rix (2023): a multilayer perceptron for the star and a product of
    extinction and a curve for the dust. Labels and the logarithm of the flux are centred on the training
    stars inside the model, so it takes and gives physical values.

    Parameters
    ----------
    label_mean, label_scale : array (3,)
        Mean and standard deviation of T_eff [K], log g [dex] and [Fe/H] [dex] over the training stars.
    ln_flux_zero : array (n_wavelengths,)
        Logarithm of a typical flux: what the perceptron's output is added to.
    hidden : sequence of int
        Widths of the hidden layers.
    """

    def __init__(self, label_mean, label_scale, ln_flux_zero, hidden):
        super().__init__()
        buffers = {"label_mean": label_mean, "label_scale": label_scale, "ln_flux_zero": ln_flux_zero}
        for name, values in buffers.items():
            self.register_buffer(name, torch.as_tensor(np.asarray(values), dtype=torch.float32))
        widths = [len(self.label_mean), *hidden]
        layers = []
        for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(n_in, n_out), nn.GELU()]
        self.perceptron = nn.Sequential(*layers, nn.Linear(widths[-1], len(self.ln_flux_zero)))
        self.extinction_curve = nn.Parameter(torch.zeros(len(self.ln_flux_zero)))

    def forward(self, labels):
        """Logarithm of the flux of a batch, shape (n, n_wavelengths), from labels of shape (n, 4)."""
        star = self.perceptron((labels[:, :3] - self.label_mean) / self.label_scale)
        return self.ln_flux_zero + star - labels[:, 3:] * self.extinction_curve

    @torch.no_grad()
    def predict(self, labels):
        """Flux of shape (n, n_wavelengths), float64, from a label array of shape (n, 4)."""
        self.eval()
        return self(torch.as_tensor(np.asarray(labels), dtype=torch.float32)).double().exp().numpy()


def fit_label_mlp(
    labels, spectra, typical, *, hidden, epochs, batch_size, learning_rate, error_floor, huber_width, seed
):
    """Train a `LabelMLP` on stars with complete labels.

    The residual of each wavelength is divided by the flux error and a fraction of the flux added in
    quadrature, since labels (the extinction most of all) are less certain than the spectra. Huber's loss
    is chi-square within ``huber_width`` of these sigmas and linear beyond, so that a star with a wrong
    label does not pull the model. The flux itself is compared, not its logarithm: noise may take the
    ultraviolet end below zero.

    Parameters
    ----------
    labels : array (n_stars, 4)
        T_eff [K], log g [dex], [Fe/H] [dex], A_K [mag]; all finite.
    spectra : function
        Rows of ``labels``, int array (n,), to their flux and its error, arrays (n, n_wavelengths): apparent
        brightness divided out, any unit, the model answers in the same. Asked batch by batch, since the spectra
        of all stars are three times as many numbers as their coefficients.
    typical : array (n_wavelengths,)
        Mean flux of the stars.
    hidden : sequence of int
        Widths of the hidden layers.
    epochs, batch_size : int
        Passes over the stars; stars in a step.
    learning_rate : float
        Largest learning rate of the one-cycle schedule of Adam (ten times that for the curve).
    error_floor : float
        Fraction of the flux.
    huber_width : float
        [sigma].
    seed : int
        Of the first weights and of the order of the stars.

    Returns
    -------
    model : LabelMLP
    losses : list of float
        Mean loss per star and wavelength of every epoch.
    """
    # The unit is chosen so that float32 holds it; 1e-3 of the brightest bin keeps the logarithm finite.
    unit = float(typical.max())
    zero = np.log(np.maximum(typical / unit, 1e-3))
    x = torch.as_tensor(np.asarray(labels), dtype=torch.float32)

    def targets(rows):
        y, error = (torch.as_tensor(part / unit, dtype=torch.float32) for part in spectra(rows.numpy()))
        return y, (error.square() + (error_floor * y).square()).rsqrt()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LabelMLP(np.mean(labels[:, :3], axis=0), np.std(labels[:, :3], axis=0), zero, hidden)
        # The curve spans several units where the weights span tenths, so its steps are longer.
        rates = [learning_rate, 10 * learning_rate]
        parameters = [{"params": model.perceptron.parameters()}, {"params": [model.extinction_curve]}]
        optimiser = torch.optim.Adam(parameters, lr=learning_rate)
        steps = -(-len(x) // batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, epochs=epochs, steps_per_epoch=steps)
        losses = []
        for _ in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(x)).split(batch_size):
                y, weight = targets(rows)
                scaled = (model(x[rows]).exp() - y) * weight
                loss = nn.functional.huber_loss(scaled, torch.zeros_like(scaled), delta=huber_width)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                total += loss.item() * len(rows)
            losses.append(total / len(x))
    model.ln_flux_zero += float(np.log(unit))
    return model, losses
