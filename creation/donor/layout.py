"""
Constants of a donor's data, shared by the loader and the studio.

This module imports nothing, so that the studio can use it without torch.
"""

# Parts of a donor's mesh, by their numbers in `surface`.
SURFACES = ("skin", "eyes", "teeth", "gum", "tongue")
INSIDE = ("teeth", "gum", "tongue")  # those that lips hide
