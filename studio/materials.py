"""What skin, eyes, mouth, hair and cloth look like to light."""

from typing import Any

from studio.assets import Assets
from studio.nodes import Graph, Value, colour
from studio.people import Cloth, Skin

Material = Any  # bpy.types.Material
_TWILL = 6.2832 / 0.0022  # radians per metre: a line every 2.2 mm


def skin(look: Skin, assets: Assets) -> Material:
    """Wants the point attributes blush, under, lid, liner, scalp and stubble."""
    g = Graph("skin")
    rest = g.rest()
    lips = g.ramp(g.picture(assets.mask("lips")), 0.25, 0.85)
    base = _complexion(g, look, rest)
    ears = g.picture(assets.mask("ears"))
    base = g.tint(ears, 0.2, base, look.blush)
    lip = g.mix(g.ramp(g.noise(rest, 260), 0.35, 0.7), *map(colour, look.lips))
    base = g.mix(g.times(lips, look.lips_strength), base, lip)
    base = g.mix(g.picture(assets.mask("inside-mouth")), base, colour("8a2f33"))
    base = g.tint(g.attribute("scalp"), 0.93, base, look.scalp)
    if look.stubble:
        dots = g.ramp(g.cells(rest, 1300), 0.34, 0.2)
        beard = g.times(g.attribute("stubble"), g.math("ADD", g.times(dots, 0.6), 0.4))
        base = g.tint(beard, look.stubble, base, look.scalp)
    matt = g.ramp(g.noise(rest, 300), 0.3, 0.7, *look.roughness)
    pores = g.times(g.ramp(g.cells(rest, 950), 0.0, 0.45), 0.4)
    height = g.math("ADD", pores, g.times(g.noise(rest, 420, 4), 0.6))
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
        coat_weight=g.math("ADD", g.times(lips, look.lips_wet), 0.05),
        coat_roughness=0.22,
    )
    shader.subsurface_method = "BURLEY"  # a third cheaper than the random walk
    return g.surface(shader)


def _complexion(g: Graph, look: Skin, rest: Value) -> Value:
    mottle = g.ramp(g.noise(rest, 28, 4), 0.35, 0.65)
    base = g.mix(mottle, colour(look.dark), colour(look.light))
    fine = g.ramp(g.noise(rest, 170, 5), 0.45, 0.75)
    base = g.tint(fine, 0.32, base, look.dark)
    base = g.tint(g.attribute("blush"), look.blush_strength, base, look.blush)
    base = g.tint(g.attribute("under"), 0.2, base, look.shadow)
    base = g.tint(g.attribute("lid"), look.shadow_strength, base, look.shadow)
    base = g.tint(g.attribute("liner"), look.liner_strength, base, "40261c")
    freckles = g.times(
        g.ramp(g.cells(rest, 420), 0.28, 0.1), g.ramp(g.noise(rest, 60), 0.5, 0.75)
    )
    return g.tint(freckles, 0.18, base, look.speckle)


def eyeball(iris: str, assets: Assets) -> Material:
    """The sclera of the texture; the iris keeps its pattern and takes a colour."""
    g = Graph("eyeball")
    texture = g.picture(assets.iris(), "sRGB")
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
    """Clear but for its highlights; refraction would cost noise and show little."""
    g = Graph("cornea")
    clear = g.node("BsdfTransparent", {})
    gloss = g.node("BsdfGlossy", {"Roughness": 0.03})
    fresnel = g.node("Fresnel", {"IOR": 1.38})
    share, a, b = (node.outputs[0] for node in (fresnel, clear, gloss))
    return g.surface(g.node("MixShader", {0: share, 1: a, 2: b}))


def teeth() -> Material:
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
    """Wet and red: gums and tongue."""
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


def cloth(look: Cloth) -> list[Material]:
    """The suit's own material, then those of its inner islands, then the tie's."""
    colours = [(look.colour, look.shade), *look.inner.values()]
    if look.tie:
        colours.append(look.tie)
    return [_fabric(look, *pair) for pair in colours]


def _fabric(look: Cloth, light: str, dark: str) -> Material:
    g = Graph("cloth")
    rest = g.rest()
    thread = g.noise(rest, 1400, 2)
    mottle = g.times(g.ramp(g.noise(rest, 90, 4), 0.3, 0.7, 0.0, 0.22), 1.0)
    base = g.mix(mottle, colour(light), colour(dark))
    folds = g.bump(g.noise(rest, 11, 1), look.folds, 0.025)
    height = g.ramp(thread, 0.3, 0.7)
    if look.ribs_m:
        place = g.node("SeparateXYZ", {0: rest})
        turns = g.raw("MULTIPLY", place.outputs[0], 6.2832 / look.ribs_m)
        rib = g.ramp(g.raw("SINE", turns), -1.0, 1.0)
        height = g.math("ADD", g.times(height, 0.4), g.times(rib, 0.6))
    if look.twill:
        axes = g.node("SeparateXYZ", {0: rest}).outputs
        slope = g.raw("ADD", axes[0], g.raw("MULTIPLY", axes[2], 0.6))
        line = g.ramp(g.raw("SINE", g.raw("MULTIPLY", slope, _TWILL)), -1.0, 1.0)
        base = g.mix(g.times(line, look.twill * 0.08), base, colour("ffffff"))
        height = g.math("ADD", g.times(height, 0.7), g.times(line, 0.3))
    fine = g.node(
        "Bump", {"Strength": 0.4, "Distance": 0.0008, "Height": height, "Normal": folds}
    )
    shader = g.principled(
        base_color=base,
        roughness=look.roughness,
        specular_ior_level=0.25,
        normal=fine.outputs[0],
        sheen_weight=0.12,
        sheen_roughness=0.4,
    )
    return g.surface(shader)


def hair(
    name: str, melanin: float, redness: float, roughness: float = 0.24
) -> Material:
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
        g.put(shader, key, value)
    return g.surface(shader)


def lash() -> Material:
    g = Graph("lash")
    dark = (0.004, 0.003, 0.003, 1.0)
    return g.surface(g.principled(base_color=dark, roughness=0.5))
