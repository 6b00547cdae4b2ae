// Clients that ask for one thing at a fixed rate, whether they are answered or not, and what became of it.
//
//     node stream.js URL RATE SECONDS PATIENCE_MS

import { loadTest } from "loadtest";

const [url, requestsPerSecond, maxSeconds, timeout] = process.argv.slice(2);
const body = "hello";
const outcomes = {};
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
  statusCallback(error, answer) {
    const outcome = answer?.statusCode ?? error;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  },
});
console.log(JSON.stringify({ ...report, outcomes }));
process.exit();
