"""Gateway whose agent process is the strange one of the tests; it needs no extra."""

from lite_gateway.__main__ import main
from lite_gateway.conversation.agent_process import AgentProcess

MODULE = "tests.conversation.strange_agent"

if __name__ == "__main__":
    AgentProcess.__init__.__kwdefaults__["module"] = MODULE  # type: ignore[attr-defined]
    AgentProcess.missing_packages = lambda *_, **__: ""  # type: ignore[method-assign]
    main()
