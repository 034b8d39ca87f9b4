const state = document.getElementById("state");
fetch("/api/health/ready", { headers: { Accept: "application/json" } })
  .then((answer) => {
    const who = answer.headers.get("X-Clozone-Instance");
    state.classList.add(answer.ok ? "good" : "bad");
    state.textContent = answer.ok
      ? "The platform is ready" + (who ? "; " + who + " answered." : ".")
      : "The platform is not ready (" + answer.status + "). Run clozone status.";
  })
  .catch(() => {
    state.classList.add("bad");
    state.textContent = "The platform does not answer. Run clozone status.";
  });
