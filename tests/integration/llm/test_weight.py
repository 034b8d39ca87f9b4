"""The web process answers requests; it must not carry what only the worker needs."""

import subprocess
import sys


def test_the_web_process_loads_neither_the_models_client_nor_its_prices():
    code = (
        "import sys, clozone.app\n"
        "print(*sorted({'openai', 'genai_prices', 'clozone.llm.client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
