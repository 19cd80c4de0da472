"""Right, written at length: the smallest loss so far is carried along. One answer is wrong."""

# %% order_the_beats
def order_the_beats():
    beats = []
    beats.append("forward")
    beats.append("loss")
    beats.append("backward")
    beats.append("step")
    return beats

# %% first_bad_step
def first_bad_step(losses, factor=3.0):
    smallest = float("inf")
    for step in range(len(losses)):
        loss = losses[step]
        finite = loss == loss and loss != float("inf")
        if not finite:
            return step
        if loss > factor * smallest:
            return step
        smallest = min(smallest, loss)
    return None

# %% q00_1
q00_1 = "D"

# %% q00_2
q00_2 = "C"

# %% q00_3
q00_3 = "B"
