# %% [markdown] head=true
# After this chapter you can ...

# %% setup=true

# %% tags=["setup"]
import math

from torch import nn

from course_lib.data import circles

# %% panel="dashboard"

# %% solution="evaluate"
def evaluate(model, loader, loss_fn):
    """Measure a classifier without changing anything.

    model:   gives logits [batch, classes]; it may come in train or in eval mode
    loader:  any iterable of (x, y) batches; the last one may be smaller. It need
             not be a DataLoader, so do not count on loader.dataset
    loss_fn: takes logits and labels, returns the mean over the batch

    Returns (loss, accuracy), two Python floats: the mean loss per example, and
    the fraction of all examples whose largest logit is the right one.

    Dropout and batch norm work as in use, and no graph is recorded. Afterwards
    the model is in the mode in which it came.
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    total_loss, n_right, n_examples = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            total_loss += loss_fn(logits, y).item() * len(y)
            n_right += (logits.argmax(dim=1) == y).sum().item()
            n_examples += len(y)
    model.train(was_training)
    return total_loss / n_examples, n_right / n_examples
    ### END SOLUTION

# %% tests="evaluate"

# %% solution="run_experiment"
def run_experiment(optimizer_name, lr, batch_size, epochs, seed):
    """Train a fresh network on the two circles and keep score.

    optimizer_name: "sgd" (torch.optim.SGD) or "adam" (torch.optim.Adam)
    seed:           decides the weights at the start and the order of the batches

    The data are circles(160), the network is 2 -> 16 -> 2 with a tanh between,
    the loss is cross-entropy, the batches are shuffled.

    Returns {"loss": [...], "accuracy": [...]}: two new lists of Python floats,
    one entry per epoch. The same arguments give the same numbers, whatever was
    drawn before; another seed gives others.
    Raises ValueError for any other optimizer_name.
    """
    ### BEGIN SOLUTION
    torch.manual_seed(seed)  # before anything is drawn
    X, Y = circles(160)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    if optimizer_name == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    elif optimizer_name == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    else:
        raise ValueError(f'optimizer_name is "sgd" or "adam", not {optimizer_name!r}')
    loss_fn = nn.CrossEntropyLoss()
    history = {"loss": [], "accuracy": []}
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(batch_size):
            x, y = X[rows], Y[rows]
            predictions = model(x)
            loss = loss_fn(predictions, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        mean_loss, accuracy = evaluate(model, [(X, Y)], loss_fn)
        history["loss"].append(mean_loss)
        history["accuracy"].append(accuracy)
    return history
    ### END SOLUTION

# %% tests="run_experiment"

# %% solution="best_learning_rate"
def best_learning_rate(results):
    """Choose among finished runs.

    results: a dict, learning rate -> list of losses, one per epoch

    Returns the learning rate whose last loss is the lowest. A run with a NaN or
    an infinity anywhere in its list has diverged and is never chosen. results
    is left as it was.
    Raises ValueError when every run diverged.
    """
    ### BEGIN SOLUTION
    finite = {
        lr: losses
        for lr, losses in results.items()
        if all(math.isfinite(loss) for loss in losses)
    }
    if not finite:
        raise ValueError("every run diverged")
    return min(finite, key=lambda lr: finite[lr][-1])
    ### END SOLUTION

# %% tests="best_learning_rate"

# %% quiz="q07_1"

# %% quiz="q07_2"

# %% quiz="q07_3"
