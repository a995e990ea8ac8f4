"""English phrases about objects: articles, plurals, numbers."""

from anyseek.world.words import NUMBERS, word

__all__ = ["a", "counted", "plural"]

PLURAL_ALREADY = frozenset(
    "cherries grapes scissors glasses jeans skis socks gloves headphones peanuts bowling_pins".replace("_", " ").split(" ")
) | {"french fries", "bowling pins"}
UNCOUNTED = frozenset(
    ("broccoli", "garlic", "corn", "bread", "cheese", "bacon", "popcorn", "chocolate", "candy", "honey", "ice cream")
    + ("coffee", "wine", "beer", "milk", "juice", "soap", "toilet paper", "yarn", "lightning", "fire")
)
SAME = frozenset({"deer", "sheep", "fish", "shrimp", "squid"})
IRREGULAR = {
    "mouse": "mice",
    "tooth": "teeth",
    "game die": "game dice",
    "maple leaf": "maple leaves",
    "four leaf clover": "four leaf clovers",
    "kitchen knife": "kitchen knives",
    "scarf": "scarves",
    "Statue of Liberty": "Statues of Liberty",
    "bow and arrow": "bows and arrows",
    "kiwi": "kiwis",
}


def plural(name: str) -> str:
    """More than one of a thing: `plural("box") == "boxes"`."""
    if name in PLURAL_ALREADY or name in SAME or name in UNCOUNTED:
        return name
    if name in IRREGULAR:
        return IRREGULAR[name]
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    if name.endswith(("s", "x", "z", "ch", "sh")) or name in ("mango", "potato", "tomato", "volcano"):
        return name + "es"
    return name + "s"


def a(name: str) -> str:
    """A thing with its article: `a("apple") == "an apple"`."""
    if name in PLURAL_ALREADY or name in UNCOUNTED:
        return name
    if name in ("sun", "moon", "Statue of Liberty", "globe"):
        return f"the {name}"
    return f"{'an' if name[0].lower() in 'aeio' or name.startswith('umb') else 'a'} {name}"


def counted(name: str, count: int) -> str:
    """So many of a thing: `counted("apple", 2) == "two apples"`."""
    return f"{word(NUMBERS[count - 1])} {name if count == 1 else plural(name)}"
