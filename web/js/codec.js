/** Video codec of a session. */

/** Return "VP8" in a browser without H.264, such as Firefox before it has its plug-in. */
export function videoEncoding() {
  const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs ?? [];
  const isH264 = ({ mimeType }) => mimeType.toLowerCase() === "video/h264";
  return !codecs.length || codecs.some(isH264) ? "H264" : "VP8";
}
