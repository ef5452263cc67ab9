"""HTML of the embeddable page and its loader script; the code is in ``web/embed``."""

import json

_PAGE = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="referrer" content="no-referrer">
    <title>An avatar</title>
    <link rel="icon" href="../favicon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="../embed.css">
    <script src="../js/guard.js"></script>
    <script type="module" src="../js/embed.js"></script>
  </head>
  <body data-embed="{embed_id}" data-orientation="{orientation}">
    <video id="video" playsinline muted autoplay aria-label="The avatar, live"></video>
    <canvas id="keyed" aria-hidden="true" hidden></canvas>
    <audio id="audio" autoplay></audio>
    <p id="ai-generated" hidden>AI-generated</p>
    <button id="begin" type="button">Start</button>
    <p id="message" role="status"></p>
  </body>
</html>
"""

_SCRIPT = """\
/* Inserts an avatar after this script's tag, and lets the page control it:
     const avatar = window.liteAvatars[{embed_id}];
     avatar.speak(base64OfPcm24k); avatar.speakEnd(); avatar.interrupt();
     avatar.addEventListener("message", (event) => event.detail.type); */
(() => {{
  const [base, id, vertical, widget] = {settings};
  const frame = document.createElement("iframe");
  frame.src = base + "/embed/" + id;
  frame.allow = "autoplay";
  frame.title = "Avatar";
  const place = widget ? "position:fixed;right:16px;bottom:16px;z-index:9999;" : "";
  const size = vertical
    ? "width:min(100%,270px);aspect-ratio:9/16;"
    : "width:min(100%,640px);aspect-ratio:16/9;";
  // A frame shows what is behind it only in the colour scheme of its page.
  const scheme = "color-scheme:light;";
  frame.style.cssText = place + size + scheme + "border:0;border-radius:12px";
  const tag = document.currentScript;
  if (widget || !tag || !tag.parentNode || tag.parentNode === document.head) {{
    const insert = () => document.body.append(frame);
    document.body ? insert() : addEventListener("DOMContentLoaded", insert);
  }} else {{
    tag.after(frame);
  }}
  const origin = new URL(base).origin;
  const avatar = new EventTarget();
  const post = (message) => frame.contentWindow.postMessage(message, origin);
  avatar.frame = frame;
  avatar.start = () => post({{ type: "start" }});
  avatar.speak = (audio) => post({{ type: "agent.speak", audio }});
  avatar.speakEnd = () => post({{ type: "agent.speak_end" }});
  avatar.interrupt = () => post({{ type: "agent.interrupt" }});
  avatar.stop = () => post({{ type: "stop" }});
  addEventListener("message", (event) => {{
    if (event.origin === origin && event.source === frame.contentWindow) {{
      avatar.dispatchEvent(new CustomEvent("message", {{ detail: event.data }}));
    }}
  }});
  (window.liteAvatars ??= {{}})[id] = avatar;
}})();
"""


def page(embed_id: str, orientation: str) -> str:
    """Return the page's HTML."""
    return _PAGE.format(embed_id=embed_id, orientation=orientation)


def script(base: str, embed_id: str, orientation: str, widget: bool) -> str:
    """
    Return the script that embeds the page in another page.

    ``base`` is this server's URL and may come from a request header: it is written as
    JSON, so that it cannot become code.
    """
    settings = json.dumps([base, embed_id, orientation == "vertical", widget])
    return _SCRIPT.format(embed_id=json.dumps(embed_id), settings=settings)
