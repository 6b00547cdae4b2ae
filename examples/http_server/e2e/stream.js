// Sends requests at a fixed rate, whether or not earlier ones are answered, and prints a report as JSON.
//
//     node stream.js URL RATE SECONDS TIMEOUT_MS

import { loadTest } from "loadtest";

const [url, requestsPerSecond, maxSeconds, timeout] = process.argv.slice(2);
const body = "hello";
const outcomes = {};
const startedAt = Date.now();
// For each second since the start: how many of its requests were answered with status 200.
const answeredBySecond = Array(Number(maxSeconds) + 1).fill(0);
// When each request with a response was sent, in seconds since 1970.
const sentAt = [];
const report = await loadTest({
  url,
  method: "POST",
  body,
  headers: { "Content-Length": body.length },
  agentKeepAlive: true,
  requestsPerSecond: Number(requestsPerSecond),
  maxSeconds: Number(maxSeconds),
  timeout: Number(timeout),
  quiet: true,
  statusCallback(error, response) {
    const outcome = response?.statusCode ?? error;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (response) {
      sentAt.push((Date.now() - response.requestElapsed) / 1000);
    }
    if (outcome === 200) {
      answeredBySecond[Math.floor(sentAt.at(-1) - startedAt / 1000)] += 1;
    }
  },
});
const printed = JSON.stringify({ ...report, outcomes, startedAt, answeredBySecond, sentAt });
// A pipe takes a long report in parts.
process.stdout.write(printed + "\n", () => process.exit());
