"""The embeddable page and its script, as text; what they do is in ``web/embed``."""

import json

POLICY = "frame-ancestors *"

_PAGE = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="referrer" content="no-referrer">
    <title>An avatar</title>
    <link rel="stylesheet" href="../embed.css">
    <script type="module" src="../js/embed.js"></script>
  </head>
  <body data-embed="{embed_id}" data-orientation="{orientation}">
    <video id="video" playsinline muted autoplay aria-label="The avatar, live"></video>
    <audio id="audio" autoplay></audio>
    <button id="begin" type="button">Start</button>
    <p id="told" role="status"></p>
  </body>
</html>
"""

_SCRIPT = """\
/* Puts an avatar where this script stands, and gives the page a way to speak:
     const avatar = window.liteAvatars[{embed_id}];
     avatar.speak(base64OfPcm24k); avatar.speakEnd(); avatar.interrupt();
     avatar.addEventListener("message", (event) => event.detail.type); */
(() => {{
  const [base, id, vertical, widget] = {facts};
  const frame = document.createElement("iframe");
  frame.src = base + "/embed/" + id;
  frame.allow = "autoplay";
  frame.title = "Avatar";
  const place = widget ? "position:fixed;right:16px;bottom:16px;z-index:9999;" : "";
  const size = vertical
    ? "width:min(100%,270px);aspect-ratio:9/16;"
    : "width:min(100%,640px);aspect-ratio:16/9;";
  frame.style.cssText = place + size + "border:0;border-radius:12px";
  const here = document.currentScript;
  if (widget || !here || !here.parentNode || here.parentNode === document.head) {{
    const put = () => document.body.append(frame);
    document.body ? put() : addEventListener("DOMContentLoaded", put);
  }} else {{
    here.after(frame);
  }}
  const origin = new URL(base).origin;
  const avatar = new EventTarget();
  const say = (message) => frame.contentWindow.postMessage(message, origin);
  avatar.frame = frame;
  avatar.start = () => say({{ type: "start" }});
  avatar.speak = (audio) => say({{ type: "agent.speak", audio }});
  avatar.speakEnd = () => say({{ type: "agent.speak_end" }});
  avatar.interrupt = () => say({{ type: "agent.interrupt" }});
  avatar.stop = () => say({{ type: "stop" }});
  addEventListener("message", (event) => {{
    if (event.origin === origin && event.source === frame.contentWindow) {{
      avatar.dispatchEvent(new CustomEvent("message", {{ detail: event.data }}));
    }}
  }});
  (window.liteAvatars ??= {{}})[id] = avatar;
}})();
"""


def page(embed_id: str, orientation: str) -> str:
    return _PAGE.format(embed_id=embed_id, orientation=orientation)


def script(base: str, embed_id: str, orientation: str, widget: bool) -> str:
    """``base`` comes from a request: as JSON it cannot become code."""
    facts = json.dumps([base, embed_id, orientation == "vertical", widget])
    return _SCRIPT.format(embed_id=json.dumps(embed_id), facts=facts)
