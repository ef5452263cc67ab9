"""
Record what MediaPipe's own runtime gives for pictures of the shipped avatars.

    python3.11 -m venv OTHER; OTHER/bin/pip install mediapipe==0.10.21
    OTHER/bin/python tests/creation/record_mediapipe.py

writes ``mediapipe.npz`` beside this file: inputs and outputs of each network, and the
landmarks that its face mesh finds in the whole picture when it has followed the face
for some frames. MediaPipe needs an older numpy than this project.
"""

from pathlib import Path

import mediapipe
import numpy as np
from mediapipe.python import packet_getter
from PIL import Image

HERE = Path(__file__).parent
MODULES = Path(mediapipe.__file__).parent / "modules"
AVATARS = HERE.parents[1] / "assets" / "avatars"
EYES = ("right_eye", "left_eye", "right_iris", "left_iris")
MODELS = {  # name -> path in MediaPipe's package, side, lowest input, names of outputs
    "detector": (
        "face_detection/face_detection_short_range",
        128,
        -1,
        ("boxes", "scores"),
    ),
    "landmarker": (
        "face_landmark/face_landmark_with_attention",
        192,
        0,
        # Left and right are the person's here, and the picture's in the model.
        ("mesh", "lips", *EYES, "presence"),
    ),
    "mask": ("selfie_segmentation/selfie_segmentation", 256, 0, ("probability",)),
}
# Centre and side of the square that the landmarker sees, and degrees that it is turned.
FACES = {"mira": (954, 454, 1030, -6), "theo": (958, 453, 980, 8)}
FRAMES = 7


def run(name: str, picture: np.ndarray) -> dict[str, np.ndarray]:
    """Run one network on ``picture``, ``[side, side, 3]`` uint8."""
    path, side, low, outputs = MODELS[name]
    streams = [f"out{number}" for number in range(len(outputs))]
    ranges = [f"ranges {{ begin: {n} end: {n + 1} }}" for n in range(len(outputs))]
    graph = f"""
        input_stream: "image"
        node {{
          calculator: "ImageToTensorCalculator"
          input_stream: "IMAGE:image" output_stream: "TENSORS:in"
          options {{ [mediapipe.ImageToTensorCalculatorOptions.ext] {{
            output_tensor_width: {side} output_tensor_height: {side}
            output_tensor_float_range {{ min: {low} max: 1 }} }} }}
        }}
        node {{
          calculator: "TfLiteCustomOpResolverCalculator"
          output_side_packet: "OP_RESOLVER:resolver"
          options {{ [mediapipe.TfLiteCustomOpResolverCalculatorOptions.ext] {{
            use_gpu: false }} }}
        }}
        node {{
          calculator: "InferenceCalculator"
          input_stream: "TENSORS:in" input_side_packet: "OP_RESOLVER:resolver"
          output_stream: "TENSORS:out"
          options {{ [mediapipe.InferenceCalculatorOptions.ext] {{
            model_path: "{MODULES}/{path}.tflite"
            delegate {{ xnnpack {{}} }} }} }}
        }}
        node {{
          calculator: "SplitTensorVectorCalculator" input_stream: "out"
          {" ".join(f'output_stream: "{stream}"' for stream in streams)}
          options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{
            {" ".join(ranges)} }} }}
        }}
    """
    graph += "".join(
        'node { calculator: "TensorsToFloatsCalculator" '
        f'input_stream: "TENSORS:{stream}" output_stream: "FLOATS:{stream}floats" }}\n'
        for stream in streams
    )
    calculators = mediapipe.CalculatorGraph(graph_config=graph)
    results: dict[str, np.ndarray] = {}
    for stream, output in zip(streams, outputs, strict=True):
        calculators.observe_output_stream(
            f"{stream}floats",
            lambda _, packet, output=output: results.__setitem__(
                output, np.array(packet_getter.get_float_list(packet), np.float32)
            ),
        )
    calculators.start_run({})
    image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
    packet = mediapipe.packet_creator.create_image(image).at(0)
    calculators.add_packet_to_input_stream("image", packet)
    calculators.close_all_packet_sources()
    calculators.wait_until_done()
    return results


def landmarks(picture: np.ndarray) -> np.ndarray:
    """Return the landmarks ``[478, 3]`` in pixels of a face that is followed."""
    height, width = picture.shape[:2]
    with mediapipe.solutions.face_mesh.FaceMesh(refine_landmarks=True) as mesh:
        for _ in range(FRAMES):
            [face] = mesh.process(picture).multi_face_landmarks
    points = [(point.x, point.y, point.z) for point in face.landmark]
    return np.array(points, np.float32) * (width, height, width)


def main() -> None:
    recorded = {}
    for name, (x, y, side, angle) in FACES.items():
        plate = Image.open(AVATARS / name / "plate.webp").convert("RGB")
        edge = (plate.width - plate.height) // 2
        square = plate.crop((edge, 0, edge + plate.height, plate.height))
        turned = plate.rotate(angle, Image.Resampling.BICUBIC, center=(x, y))
        face = turned.crop((x - side // 2, y - side // 2, x + side // 2, y + side // 2))
        inputs = {"detector": square, "landmarker": face, "mask": plate}
        for network, image in inputs.items():
            shape = (MODELS[network][1],) * 2
            picture = np.asarray(image.resize(shape, Image.Resampling.BOX))
            recorded[f"{name}.{network}.input"] = picture
            for output, values in run(network, picture).items():
                recorded[f"{name}.{network}.{output}"] = values
        recorded[f"{name}.landmarks"] = landmarks(np.asarray(plate))
    np.savez_compressed(HERE / "mediapipe.npz", **recorded)


if __name__ == "__main__":
    main()
