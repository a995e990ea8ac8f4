"""Make src/anyseek/world/assets from Debian packages: the sprite sheet, the lexicon and the font subsets.

apt-get install -y fonts-noto-color-emoji fonts-noto-cjk fonts-dejavu-core unicode-cldr-core
pip install pillow fonttools && PYTHONPATH=src python scripts/build_world_assets.py
"""

import gzip
import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from fontTools import subset
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont, newTable
from PIL import Image, ImageDraw, ImageFont

from anyseek.world import words


def listed(names: str) -> list[str]:
    """Names written with white space between them."""
    return names.split()


HERE = Path(__file__).parent
ASSETS = HERE.parent / "src/anyseek/world/assets"
CLDR = Path("/usr/share/unicode/cldr/common")
DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
EMOJI_FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
CJK_FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"
SIDE, COLUMNS, EMOJI_SIZE = 128, 16, 109

LANGUAGES = listed("""
    en de fr es it pt nl sv da fi nb is pl cs sk sl hr hu ro et lt lv tr id ms fil vi sw sq ca eu gl cy ga af zu az uz
    bg uk ru mk sr be kk mn el hy ka he ar fa ur hi bn mr ne pa gu ta te kn ml si th lo my km am ko ja zh zh_Hant
""")
FILES = {"nb": "no"}
CITIES = listed("""
    Europe/Berlin Europe/Paris Europe/Madrid Europe/Rome Europe/London Europe/Oslo Europe/Athens Europe/Warsaw
    Europe/Kiev Europe/Moscow Europe/Istanbul Asia/Tokyo Asia/Seoul Asia/Shanghai Asia/Bangkok Africa/Cairo
    Africa/Nairobi America/Lima America/Toronto America/Chicago America/Havana Australia/Sydney Europe/Dublin
    Europe/Vienna
""")
CITY_ENGLISH = {"Kiev": "Kyiv"}
PACKAGES = ("fonts-noto-color-emoji", "fonts-noto-cjk", "fonts-dejavu-core", "unicode-cldr-core")
PUNCTUATION = "".join(chr(code) for code in range(32, 127)) + "€№·\u2013\u2014…°\u2019„“”、。\uff0c\uff1a"


def objects() -> list[tuple[str, str, str]]:
    """Rows of (English name, category, emoji) of world_objects.txt."""
    rows = []
    for line in (HERE / "world_objects.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            category, entries = line.split(": ", 1)
            rows += [(entry.split(" ", 1)[1], category, entry.split(" ", 1)[0]) for entry in entries.split(", ")]
    return rows


def sprite(font: ImageFont.FreeTypeFont, emoji: str) -> Image.Image:
    """One emoji, cropped and centred in a square with transparent ground."""
    glyph = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(glyph).text((8, 8), emoji, font=font, embedded_color=True)
    box = glyph.getbbox()
    if box is None or max(box[2] - box[0], box[3] - box[1]) > 140:
        raise SystemExit(f"the font has no single glyph for {emoji!r}: {box}")
    glyph = glyph.crop(box)
    glyph.thumbnail((SIDE - 4, SIDE - 4), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE))
    square.paste(glyph, ((SIDE - glyph.width) // 2, (SIDE - glyph.height) // 2))
    return square


def write_sprites(rows: list[tuple[str, str, str]]) -> None:
    """The sprite sheet, COLUMNS sprites a row, in the order of the objects."""
    font = ImageFont.truetype(EMOJI_FONT, EMOJI_SIZE)
    sheet = Image.new("RGBA", (COLUMNS * SIDE, -(-len(rows) // COLUMNS) * SIDE))
    for index, (_, _, emoji) in enumerate(rows):
        sheet.paste(sprite(font, emoji), (index % COLUMNS * SIDE, index // COLUMNS * SIDE))
    sheet.save(ASSETS / "sprites.webp", quality=88, method=6)


def tree(folder: str, language: str) -> ElementTree.Element:
    """The CLDR file of a language."""
    return ElementTree.parse(CLDR / folder / f"{FILES.get(language, language)}.xml").getroot()


def names(language: str, rows: list[tuple[str, str, str]]) -> list[str | None]:
    """CLDR's short name of every object; None where it lacks one or two objects share it."""
    if language == "en":
        return [name for name, _, _ in rows]
    found: dict[str, str] = {}
    for folder in ("annotations", "annotationsDerived"):
        if (CLDR / folder / f"{FILES.get(language, language)}.xml").exists():
            nodes = tree(folder, language).iterfind(".//annotation[@type='tts']")
            found |= {node.get("cp", ""): node.text or "" for node in nodes if "↑" not in (node.text or "")}
    chosen: list[str | None] = []
    for _, _, emoji in rows:
        name = found.get(emoji.replace("\ufe0f", "")) or None
        known = {other.casefold() for other in chosen if other}
        chosen.append(None if name is None or name.casefold() in known else name)
    return chosen


def without_homographs(tables: dict[str, list[str | None]]) -> dict[str, list[str | None]]:
    """Names with a name dropped where an earlier language calls another object so (`ape`: a bee in Italian)."""
    meaning: dict[str, int] = {}
    for table in tables.values():
        for index, called in enumerate(table):
            if called is not None and meaning.setdefault(called.casefold(), index) != index:
                table[index] = None
    return tables


def cities(language: str) -> list[str]:
    """CLDR's name of every city (its example city of a time zone)."""
    root = tree("main", language)
    named = []
    for zone in CITIES:
        node = root.find(f".//zone[@type='{zone}']/exemplarCity")
        english = zone.split("/")[1]
        missing = node is None or "↑" in (node.text or "↑")
        named.append(CITY_ENGLISH.get(english, english) if missing or language == "en" else node.text)
    return named


def months(language: str) -> list[str] | None:
    """The twelve months of a language, standing alone if CLDR tells that form; None where it has none."""
    calendar = tree("main", language).find(".//calendar[@type='gregorian']")
    for context in ("stand-alone", "format"):
        path = f"./months/monthContext[@type='{context}']/monthWidth[@type='wide']/month"
        found = {node.get("type"): node.text for node in calendar.iterfind(path)} if calendar is not None else {}
        if len(found) == 12 and all(text and "↑" not in text for text in found.values()):
            return [found[str(month)] for month in range(1, 13)]
    return None


def cjk_font(text: str) -> TTFont:
    """The subset of Noto Sans CJK with quadratic outlines, which PDF writers can embed."""
    font = next(f for f in TTCollection(CJK_FONT).fonts if f["name"].getDebugName(4) == "Noto Sans CJK SC Bold")
    font = cut(font, text)
    glyphs, order = font.getGlyphSet(), font.getGlyphOrder()
    outlines = {}
    for name in order:
        pen = TTGlyphPen(glyphs)
        glyphs[name].draw(Cu2QuPen(pen, 1.0, reverse_direction=True))
        outlines[name] = pen.glyph()
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, outlines
    font["maxp"].tableVersion = 0x00010000
    zeros = "maxTwilightPoints maxStorage maxFunctionDefs maxInstructionDefs maxStackElements maxSizeOfInstructions"
    for field in ("maxZones", *zeros.split(), "maxComponentElements"):
        setattr(font["maxp"], field, 1 if field == "maxZones" else 0)
    font["post"].formatType, font["post"].extraNames, font["post"].mapping = 3.0, [], {}
    for table in ("CFF ", "VORG"):
        if table in font:
            del font[table]
    font.sfntVersion = "\000\001\000\000"
    return font


def cut(font: TTFont, text: str) -> TTFont:
    """A font with only the glyphs of a text, without layout tables."""
    options = subset.Options(
        hinting=False, layout_features=[], notdef_outline=True, name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14]
    )
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "BASE", "VORG", "vhea", "vmtx"]
    chooser = subset.Subsetter(options)
    chooser.populate(text=text)
    chooser.subset(font)
    return font


def write_fonts(written: str) -> None:
    """The subsets that cover exactly what pages can say."""
    chosen = {"sans": "DejaVuSans.ttf", "sans-bold": "DejaVuSans-Bold.ttf", "serif": "DejaVuSerif-Bold.ttf"}
    drawable = set(TTFont(DEJAVU / "DejaVuSans-Bold.ttf").getBestCmap())
    shaped = set(range(0x600, 0x900)) | set(range(0x900, 0x10A0))
    ours = "".join(c for c in sorted(set(written)) if ord(c) in drawable and ord(c) not in shaped)
    for name, file in chosen.items():
        cut(TTFont(DEJAVU / file), ours).save(ASSETS / f"{name}.ttf")
    east = "".join(c for c in sorted(set(written)) if ord(c) in EAST or c in PUNCTUATION)
    cjk_font(east).save(ASSETS / "cjk.ttf")


EAST = frozenset((*range(0x2E80, 0xA000), *range(0xAC00, 0xD7B0), *range(0xF900, 0xFB00), *range(0xFF00, 0xFFF0)))


def write_licences() -> None:
    """The notices that go with the assets, as Debian ships them."""
    (ASSETS / "licences").mkdir(exist_ok=True)
    for package in PACKAGES:
        shutil.copyfile(f"/usr/share/doc/{package}/copyright", ASSETS / "licences" / f"{package}.txt")


def main() -> None:
    """Write every asset."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    rows = objects()
    write_sprites(rows)
    write_licences()
    lexicon = {
        "objects": rows,
        "names": without_homographs({language: names(language, rows) for language in LANGUAGES}),
        "cities": {language: cities(language) for language in LANGUAGES},
        "months": {language: months(language) for language in LANGUAGES},
    }
    content = json.dumps(lexicon, ensure_ascii=False, separators=(",", ":"))
    (ASSETS / "lexicon.json.gz").write_bytes(gzip.compress(content.encode(), mtime=0))
    written = content + words.WORDS.read_text("utf-8") + PUNCTUATION
    write_fonts(written + written.upper() + written.title())


if __name__ == "__main__":
    main()
