"""Materials of skin, eyes, mouth, hair and cloth."""

from typing import Any

from studio.assets import Assets
from studio.nodes import Graph, Value, colour
from studio.people import Cloth, Skin

Material = Any  # bpy.types.Material
_TWILL = 6.2832 / 0.0022  # radians per metre for one line every 2.2 mm


def skin(style: Skin, assets: Assets) -> Material:
    """
    Return the material of the skin.

    Its mesh needs the point attributes blush, under, lid, liner, scalp and stubble.
    """
    g = Graph("skin")
    rest = g.rest()
    lips = g.ramp(g.image(assets.mask("lips")), 0.25, 0.85)
    base = _complexion(g, style, rest)
    ears = g.image(assets.mask("ears"))
    base = g.tint(ears, 0.2, base, style.blush)
    lip = g.mix(g.ramp(g.noise(rest, 260), 0.35, 0.7), *map(colour, style.lips))
    base = g.mix(g.multiply(lips, style.lips_strength), base, lip)
    base = g.mix(g.image(assets.mask("inside-mouth")), base, colour("8a2f33"))
    base = g.tint(g.attribute("scalp"), 0.93, base, style.scalp)
    if style.stubble:
        dots = g.ramp(g.voronoi(rest, 1300), 0.34, 0.2)
        density = g.math("ADD", g.multiply(dots, 0.6), 0.4)
        beard = g.multiply(g.attribute("stubble"), density)
        base = g.tint(beard, style.stubble, base, style.scalp)
    matt = g.ramp(g.noise(rest, 300), 0.3, 0.7, *style.roughness)
    pores = g.multiply(g.ramp(g.voronoi(rest, 950), 0.0, 0.45), 0.4)
    height = g.math("ADD", pores, g.multiply(g.noise(rest, 420, 4), 0.6))
    shader = g.principled(
        base_color=base,
        roughness=g.mix(lips, matt, (0.28, 0.28, 0.28, 1.0)),
        normal=g.bump(height, 0.4, 0.0007),
        subsurface_weight=1.0,
        subsurface_radius=(1.0, 0.32, 0.16),
        subsurface_scale=0.0055,
        subsurface_anisotropy=0.6,
        ior=1.42,
        specular_ior_level=0.45,
        coat_weight=g.math("ADD", g.multiply(lips, style.lips_wet), 0.05),
        coat_roughness=0.22,
    )
    shader.subsurface_method = "BURLEY"  # takes a third less time than random walk
    return g.surface(shader)


def _complexion(g: Graph, style: Skin, rest: Value) -> Value:
    mottle = g.ramp(g.noise(rest, 28, 4), 0.35, 0.65)
    base = g.mix(mottle, colour(style.dark), colour(style.light))
    fine = g.ramp(g.noise(rest, 170, 5), 0.45, 0.75)
    base = g.tint(fine, 0.32, base, style.dark)
    base = g.tint(g.attribute("blush"), style.blush_strength, base, style.blush)
    base = g.tint(g.attribute("under"), 0.2, base, style.shadow)
    base = g.tint(g.attribute("lid"), style.shadow_strength, base, style.shadow)
    base = g.tint(g.attribute("liner"), style.liner_strength, base, "40261c")
    freckles = g.multiply(
        g.ramp(g.voronoi(rest, 420), 0.28, 0.1), g.ramp(g.noise(rest, 60), 0.5, 0.75)
    )
    return g.tint(freckles, 0.18, base, style.speckle)


def eyeball(iris: str, assets: Assets) -> Material:
    """Return the material of an eyeball: its texture, with the iris in a new colour."""
    g = Graph("eyeball")
    texture = g.image(assets.iris(), "sRGB")
    hsv = g.node("SeparateColor", {0: texture}, mode="HSV")
    pattern = g.node(
        "HueSaturation", {"Saturation": 0.0, "Value": 5.0, "Color": texture}
    )
    dyed = g.node(
        "Mix",
        {0: 1.0, 6: pattern.outputs[0], 7: colour(iris)},
        data_type="RGBA",
        blend_type="MULTIPLY",
    )
    base = g.mix(g.ramp(hsv.outputs[1], 0.25, 0.5), texture, dyed.outputs[2])
    shader = g.principled(
        base_color=base,
        roughness=0.35,
        subsurface_weight=0.25,
        subsurface_scale=0.002,
        subsurface_radius=(1.0, 0.5, 0.4),
    )
    return g.surface(shader)


def cornea() -> Material:
    """
    Return a transparent material with highlights.

    It does not refract: that would add noise and hardly be visible.
    """
    g = Graph("cornea")
    clear = g.node("BsdfTransparent", {})
    gloss = g.node("BsdfGlossy", {"Roughness": 0.03})
    fresnel = g.node("Fresnel", {"IOR": 1.38})
    share, a, b = (node.outputs[0] for node in (fresnel, clear, gloss))
    return g.surface(g.node("MixShader", {0: share, 1: a, 2: b}))


def teeth() -> Material:
    """Return the material of teeth."""
    g = Graph("teeth")
    shader = g.principled(
        base_color=colour("ece3d2"),
        roughness=0.22,
        subsurface_weight=0.6,
        subsurface_scale=0.0015,
        coat_weight=0.35,
        coat_roughness=0.08,
    )
    return g.surface(shader)


def flesh(name: str, tone: str, bump_scale: float, bump_m: float) -> Material:
    """Return a wet material for gums and tongue; ``tone`` is its colour."""
    g = Graph(name)
    shader = g.principled(
        base_color=colour(tone),
        roughness=0.38,
        normal=g.bump(g.noise(g.rest(), bump_scale), 0.4, bump_m),
        subsurface_weight=0.6,
        subsurface_scale=0.0028,
        subsurface_radius=(1.0, 0.3, 0.2),
        coat_weight=0.3,
        coat_roughness=0.1,
    )
    return g.surface(shader)


def cloth(style: Cloth) -> list[Material]:
    """Return the materials of the suit, of its inner islands and of the tie."""
    colours = [(style.colour, style.shade), *style.inner.values()]
    if style.tie:
        colours.append(style.tie)
    return [_fabric(style, *pair) for pair in colours]


def _fabric(style: Cloth, light: str, dark: str) -> Material:
    g = Graph("cloth")
    rest = g.rest()
    thread = g.noise(rest, 1400, 2)
    mottle = g.multiply(g.ramp(g.noise(rest, 90, 4), 0.3, 0.7, 0.0, 0.22), 1.0)
    base = g.mix(mottle, colour(light), colour(dark))
    folds = g.bump(g.noise(rest, 11, 1), style.folds, 0.025)
    height = g.ramp(thread, 0.3, 0.7)
    if style.ribs_m:
        position = g.node("SeparateXYZ", {0: rest})
        turns = g.unclamped_math("MULTIPLY", position.outputs[0], 6.2832 / style.ribs_m)
        rib = g.ramp(g.unclamped_math("SINE", turns), -1.0, 1.0)
        height = g.math("ADD", g.multiply(height, 0.4), g.multiply(rib, 0.6))
    if style.twill:
        axes = g.node("SeparateXYZ", {0: rest}).outputs
        rise = g.unclamped_math("MULTIPLY", axes[2], 0.6)
        slope = g.unclamped_math("ADD", axes[0], rise)
        phase = g.unclamped_math("MULTIPLY", slope, _TWILL)
        line = g.ramp(g.unclamped_math("SINE", phase), -1.0, 1.0)
        base = g.mix(g.multiply(line, style.twill * 0.08), base, colour("ffffff"))
        height = g.math("ADD", g.multiply(height, 0.7), g.multiply(line, 0.3))
    fine = g.node(
        "Bump", {"Strength": 0.4, "Distance": 0.0008, "Height": height, "Normal": folds}
    )
    shader = g.principled(
        base_color=base,
        roughness=style.roughness,
        specular_ior_level=0.25,
        normal=fine.outputs[0],
        sheen_weight=0.12,
        sheen_roughness=0.4,
    )
    return g.surface(shader)


def hair(
    name: str, melanin: float, redness: float, roughness: float = 0.24
) -> Material:
    """Return a hair material, coloured by its share of melanin and its redness."""
    g = Graph(name)
    settings = {
        "Melanin": melanin,
        "Melanin Redness": redness,
        "Roughness": roughness,
        "Radial Roughness": 0.35,
        "Random Color": 0.4,
        "Random Roughness": 0.1,
        "Coat": 0.0,
    }
    shader = g.node("BsdfHairPrincipled", {}, parametrization="MELANIN", model="CHIANG")
    for key, value in settings.items():
        g.set_input(shader, key, value)
    return g.surface(shader)


def lash() -> Material:
    """Return the material of eyelashes."""
    g = Graph("lash")
    dark = (0.004, 0.003, 0.003, 1.0)
    return g.surface(g.principled(base_color=dark, roughness=0.5))


def plain(name: str, tone: str, roughness: float, bump_m: float = 0.0) -> Material:
    """Return a material of one colour: plastic, or cloth if it is rough with bumps."""
    g = Graph(name)
    settings: dict[str, Value] = {"base_color": colour(tone), "roughness": roughness}
    if bump_m:
        settings["normal"] = g.bump(g.noise(g.rest(), 500, 3), 0.5, bump_m)
    return g.surface(g.principled(**settings))
