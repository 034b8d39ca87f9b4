-- wrk script: reads lines "PATH TOKEN" (the token may be missing) from the file named in BENCH_REQUESTS, takes
-- turns, and prints one line of JSON.
local requests, place = {}, 0

init = function()
  for line in io.lines(os.getenv("BENCH_REQUESTS")) do
    local path, token = line:match("^(%S+) ?(%S*)$")
    local headers = token ~= "" and { ["Authorization"] = "Bearer " .. token } or {}
    headers["Host"] = wrk.headers["Host"]
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

request = function()
  place = place % #requests + 1
  return requests[place]
end

-- What is refused is no request that was served, and quick to give: `requests` and `rate` leave it out.
done = function(summary, latency, _)
  local errors = summary.errors
  local served = summary.requests - errors.status
  io.write(string.format('\nJSON {"rate": %.1f, "p50_ms": %.3f, "p99_ms": %.3f, "requests": %d, "refused": %d, "broken": %d}\n',
    served / (summary.duration / 1e6), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    served, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
