# %% [markdown] head=true
# After this chapter you can ...

# %% setup=true

# %% solution="train_one_epoch"
def train_one_epoch(model, loader, loss_fn, optimizer):
    """Train."""
    ### BEGIN SOLUTION
    model.train()
    total_loss, n_examples = 0.0, 0
    for x, y in loader:
        predictions = model(x)
        loss = loss_fn(predictions, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(y)
        n_examples += len(y)
    return total_loss / n_examples
    ### END SOLUTION

# %% tests="train_one_epoch"

# %% solution="fit"
def fit(model, loader, loss_fn, optimizer, epochs):
    """Train."""
    ### BEGIN SOLUTION
    history = []
    for _ in range(epochs):
        history.append(train_one_epoch(model, loader, loss_fn, optimizer))
    return history
    ### END SOLUTION

# %% tests="fit"

# %% solution="train_with_accumulation"
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    """Train."""
    ### BEGIN SOLUTION
    model.train()
    optimizer.zero_grad()
    n_batches = len(loader)
    n_steps = 0
    for i, (x, y) in enumerate(loader):
        group_start = i - i % accumulate_steps
        group_length = min(accumulate_steps, n_batches - group_start)
        predictions = model(x)
        loss = loss_fn(predictions, y)
        (loss / group_length).backward()
        if i + 1 == group_start + group_length:
            optimizer.step()
            optimizer.zero_grad()
            n_steps += 1
    return n_steps
    ### END SOLUTION

# %% tests="train_with_accumulation"

# %% quiz="q05_1"

# %% quiz="q05_2"

# %% quiz="q05_3"
