"""
Creation of an avatar package from one photo: a program that runs once, offline.

It reads a photo, finds the face, fits the surface of a donor to it, and draws keyframes
of mouth and eyes. It never runs in the gateway's process.
"""
