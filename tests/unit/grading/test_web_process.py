import subprocess
import sys


def test_the_web_process_carries_neither_the_model_s_client_nor_the_price_table() -> None:
    program = """
import sys
import clozone.app
clozone.app.create_app()
print(sorted({"openai", "genai_prices"} & sys.modules.keys()))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
