"""English phrases about objects: articles, plurals, numbers."""

from anyseek.world.words import NUMBERS, word

__all__ = ["a", "are", "counted", "plural", "some"]


def _listed(names: str) -> frozenset[str]:
    """Names written with commas between them."""
    return frozenset(names.split(", "))


PLURAL_ALREADY = _listed(
    "cherries, grapes, scissors, glasses, jeans, skis, socks, gloves, headphones, peanuts, french fries, bowling pins"
)
UNCOUNTED = _listed(
    "broccoli, garlic, corn, bread, cheese, bacon, popcorn, chocolate, candy, honey, ice cream, coffee, wine, beer, "
    "milk, juice, soap, toilet paper, yarn, lightning, fire, American football"
)
UNIQUE = frozenset({"sun", "moon", "Statue of Liberty", "Tokyo tower"})
SAME = frozenset({"deer", "sheep", "fish", "shrimp", "squid"})
IRREGULAR = {
    "mouse": "mice",
    "tooth": "teeth",
    "game die": "game dice",
    "maple leaf": "maple leaves",
    "kitchen knife": "kitchen knives",
    "scarf": "scarves",
    "Statue of Liberty": "Statues of Liberty",
    "bow and arrow": "bows and arrows",
}


def plural(name: str) -> str:
    """More than one of a thing: `plural("cherry") == "cherries"`."""
    if name in PLURAL_ALREADY or name in SAME:
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
    if name in UNIQUE:
        return f"the {name}"
    return f"{'an' if name[0].lower() in 'aeio' or name.startswith(('umb', 'hour')) else 'a'} {name}"


def some(name: str) -> str:
    """A thing in general: `some("apple") == "apples"`."""
    if name in UNCOUNTED:
        return name
    return f"the {name}" if name in UNIQUE else plural(name)


def are(name: str) -> str:
    """A thing in general, with its verb: `are("apple") == "apples are"`."""
    return f"{some(name)} {'is' if name in UNIQUE or name in UNCOUNTED else 'are'}"


def counted(name: str, count: int) -> str:
    """So many of a thing: `counted("apple", 2) == "two apples"`."""
    return f"{word(NUMBERS[count - 1])} {name if count == 1 else plural(name)}"
