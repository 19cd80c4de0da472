# %% [markdown] head=true
# After this chapter you can
#
# - everything

# %% setup=true

# %% tags=["setup"]
import math

# %% solution="Value"
class Value:
    """A number that remembers what it was computed from, so that backward() can walk back.

    Value(2.0) has .data, a Python float, and .grad, which is 0.0 at first. a + b, a * b and a.tanh()
    make new Values; in a + b and a * b one of the two may be a plain number.

    backward() adds to the .grad of every Value that self was computed from, and of self, how much
    self changes per change of it. It works for chains of 10,000 operations. No PyTorch in here.
    """

    ### BEGIN SOLUTION
    def __init__(self, data, parents=()):
        self.data = float(data)
        self.grad = 0.0
        self.parents = parents  # pairs: what it was made from, and the slope

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, ((self, 1 - t**2),))

    def backward(self):
        uses, found = {self: 0}, [self]
        while found:
            node = found.pop()
            for parent, _ in node.parents:
                if parent not in uses:
                    uses[parent] = 0
                    found.append(parent)
                uses[parent] += 1

        gradients, ready = {self: 1.0}, [self]
        while ready:
            node = ready.pop()
            node.grad += gradients[node]
            for parent, slope in node.parents:
                gradients[parent] = gradients.get(parent, 0.0) + slope * gradients[node]
                uses[parent] -= 1
                if uses[parent] == 0:
                    ready.append(parent)
    ### STUB
    # def __init__(self, data):
    #     raise NotImplementedError("Write Value, then run the check below.")
    #
    # def __add__(self, other):
    #     """self + other; other is a Value or a plain number."""
    #
    # def __mul__(self, other):
    #     """self * other; other is a Value or a plain number."""
    #
    # __radd__, __rmul__ = __add__, __mul__  # for a plain number on the left, as in 2 * value
    #
    # def tanh(self):
    #     """tanh of self."""
    #
    # def backward(self):
    #     """Add d(self)/d(value) to the .grad of every value that self was computed from."""
    ### END SOLUTION


# %% tests="Value"

# %% solution="causal_attention"
def causal_attention(q, k, v):
    """Attention in which each position looks at itself and at earlier positions only.

    q, k  queries and keys, [batch, heads, time, width]
    v     values, [batch, heads, time, any width]
    Returns [batch, heads, time, width of v], with a graph back to q, k and v. Position t gets a mean
    of the values 0 to t, weighted by a softmax over q[t] . k[s] / sqrt(width of q).
    F.scaled_dot_product_attention and nn.MultiheadAttention may not be called.
    """
    ### BEGIN SOLUTION
    time, width = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) / math.sqrt(width)
    later = torch.ones(time, time, dtype=torch.bool).triu(diagonal=1)
    weights = scores.masked_fill(later, float("-inf")).softmax(dim=-1)
    return weights @ v
    ### END SOLUTION


# %% tests="causal_attention"

# %% solution="generate"
def generate(model, tokens, n_new, context):
    """Continue each row of ``tokens`` with the model's most likely token, again and again.

    model    model(tokens) is [batch, time, vocabulary]: for each position the logits of the token
             that follows it
    tokens   [batch, time], int64: where each row starts
    n_new    how many tokens to add
    context  the model takes at most this many tokens: give it the last ones

    The model runs in eval mode and records no gradients; afterwards it is in the mode it was in.
    Returns [batch, time + n_new], int64: the given tokens, followed by the new ones.
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for _ in range(n_new):
            logits = model(tokens[:, -context:])
            most_likely = logits[:, -1].argmax(dim=-1, keepdim=True)
            tokens = torch.cat([tokens, most_likely], dim=1)
    model.train(was_training)
    return tokens
    ### END SOLUTION


# %% tests="generate"

# %% solution="shard_indices"
def shard_indices(n, rank, world_size, epoch, seed, drop_last=False):
    """The examples that worker ``rank`` of ``world_size`` (ranks count from 0) reads in an epoch.

    n         number of examples, at least world_size
    epoch     each epoch has its own random order, ...
    seed      ... and so has each seed; equal seed and epoch give the same order in every worker
    Every worker gets equally many: n / world_size, rounded up, where the order is filled up with
    examples from its own beginning; or rounded down with drop_last=True, where the rest is left out.
    PyTorch's global random state stays as it is.

    Returns a list of ints from 0 to n - 1.
    """
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed + 1000 * epoch)
    order = torch.randperm(n, generator=generator).tolist()
    share = n // world_size if drop_last else math.ceil(n / world_size)
    order += order[: share * world_size - n] if not drop_last else []
    return order[rank : share * world_size : world_size]
    ### END SOLUTION


# %% tests="shard_indices"

# %% solution="average_gradients"
def average_gradients(models):
    """Give every replica the mean of all replicas' gradients, parameter by parameter.

    models  a list of models of the same architecture; their parameters stay as they are
    A gradient that is None in some replicas counts as zero there; one that is None in all stays None.
    Each replica gets tensors of its own: changing one replica's .grad changes no other's.
    """
    ### BEGIN SOLUTION
    for replicas in zip(*(model.parameters() for model in models)):
        gradients = [p.grad for p in replicas if p.grad is not None]
        if gradients:
            mean = sum(gradients) / len(replicas)
            for p in replicas:
                p.grad = mean.clone()
    ### END SOLUTION


# %% tests="average_gradients"

# %% solution="policy_gradient_loss"
def policy_gradient_loss(log_probs, rewards, baseline=None):
    """The loss whose gradient makes actions with a high reward more likely (REINFORCE).

    log_probs  [N], the logarithm of the probability that the policy gave to each action taken
    rewards    [N], what each action brought
    baseline   None, a number or [N]: subtracted from the rewards

    Returns a 0-dim tensor: minus the mean of log_prob * (reward - baseline). Its gradient reaches
    log_probs, and neither rewards nor baseline.
    """
    ### BEGIN SOLUTION
    advantages = rewards if baseline is None else rewards - baseline
    return -(log_probs * advantages.detach()).mean()
    ### END SOLUTION


# %% tests="policy_gradient_loss"

# %% solution="preference_loss"
def preference_loss(chosen, rejected, margin=0.0):
    """The loss of a reward model that learns from comparisons.

    chosen    [N], the scores of the answers that people preferred
    rejected  [N], the scores of the answers they were compared with
    margin    by how much a chosen answer's score should be higher at least, a number

    Returns a 0-dim tensor: the mean of -log(sigmoid(d)), where d is how far the chosen score is above
    the rejected one, less the margin. It and its gradient are finite for d = 10,000 and -10,000, too.
    """
    ### BEGIN SOLUTION
    return -torch.nn.functional.logsigmoid(chosen - rejected - margin).mean()
    ### END SOLUTION


# %% tests="preference_loss"
