"""The one mistake in a captioner's marks that would go unnoticed: a product of which both factors carry relevance."""

from collections.abc import Sequence

from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

from whysaid.errors import DoesNotApplyError

_PRODUCTS = ("MulBackward", "DivBackward", "BmmBackward", "MmBackward", "AddmmBackward", "BaddbmmBackward")


def check_products(output: Tensor, leaves: Sequence[Tensor]) -> None:
    """Looks for products of two parts that both depend on the leaves, on the way from these to `output`.

    Gradient × input would give each factor all the relevance of the product, so one must be marked a `gate`.

    Raises:
        UserError: there is such a product.
    """
    live = {get_gradient_edge(leaf).node for leaf in leaves}
    for node in _inputs_first(get_gradient_edge(output).node, live):
        factors = [before for before, _ in node.next_functions if before in live]
        if len(factors) > 1 and node.name().startswith(_PRODUCTS):
            raise DoesNotApplyError(
                f"LRP cannot explain this captioner: two factors of a product ({node.name()}) both carry relevance; "
                "mark the one that only weights the other with `gate` (src/whysaid/models/relevance.py)"
            )
        if factors:
            live.add(node)


def _inputs_first(root: Node, ends: set[Node]) -> list[Node]:
    """Lists the nodes from `root` down to `ends`, without these, each after all nodes it takes its input from."""
    order: list[Node] = []
    visited, stack = set(ends), [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in visited:
            visited.add(node)
            stack.append((node, True))
            stack += [(before, False) for before, _ in node.next_functions if before is not None]
    return order
