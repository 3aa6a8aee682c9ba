// Drives AWS's JavaScript SDK for the tests: one JSON request a line in, one JSON answer a line out.
// {"call": "PutWebhook", "input": {…}} sends a command, {"pages": "ListWebhooks", "size": 2} paginates.

import { createInterface } from "node:readline";
import * as sdk from "@aws-sdk/client-codepipeline";
import { AwsJson1_1Protocol, AwsSmithyRpcV2CborProtocol } from "@aws-sdk/core/protocols";

const PROTOCOLS = { json: AwsJson1_1Protocol, cbor: AwsSmithyRpcV2CborProtocol };
const [region, protocol] = process.argv.slice(2);
const client = new sdk.CodePipelineClient({ region, protocol: PROTOCOLS[protocol], maxAttempts: 1 });

// The request that goes out last, to prove which protocol was spoken.
let sent;
client.middlewareStack.add(
  (next) => (args) => {
    sent = { path: args.request.path, type: args.request.headers["content-type"] };
    return next(args);
  },
  { step: "finalizeRequest", priority: "low" },
);

async function answer({ call, input, pages, size }) {
  if (pages) {
    const found = [];
    for await (const page of sdk[`paginate${pages}`]({ client, pageSize: size }, input ?? {})) found.push(page);
    return { output: found, sent };
  }
  try {
    return { output: await client.send(new sdk[`${call}Command`](input)), sent };
  } catch (error) {
    const { name, message, $fault: fault, $metadata: metadata } = error;
    const typed = error.constructor === sdk[name] && error instanceof sdk.CodePipelineServiceException;
    return { error: { name, message, fault, typed, status: metadata?.httpStatusCode }, sent };
  }
}

// JSON has no dates: without a mark, a text would pass for one.
function marked(value) {
  if (value instanceof Date) return { date: value.toISOString() };
  if (Array.isArray(value)) return value.map(marked);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, marked(member)]));
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(marked(await answer(JSON.parse(line)))));
}
