// SPDX-License-Identifier: MIT
// A session of the protocol's official clients with `intellisched mcp`, in both revisions, on the
// simulated host. Prints TAP.
//   node mcp-sdk.mjs INTELLISCHED SCENARIO        in a folder with node_modules/, see mcp-sdk
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [program, scenario] = process.argv.slice(2);
let number = 0;
function check(what, good) {
  console.log(`${good ? "ok" : "not ok"} ${++number} - ${what}`);
}

async function session(revision, client, transport) {
  await client.connect(transport);
  if (client.getNegotiatedProtocolVersion)
    check(`${revision}: that is the revision`, client.getNegotiatedProtocolVersion() === revision);
  check(`${revision}: it is told who we are`, client.getServerVersion().name === "intellisched");
  const { tools } = await client.listTools();
  check(`${revision}: it finds the tools`, ["status", "recommend", "history"].every((name) =>
    tools.some((tool) => tool.name === name)));
  const result = await client.callTool({ name: "recommend", arguments: { pool: "Pool-0" } });
  check(`${revision}: recommend answers with a verdict`,
    !result.isError && typeof result.structuredContent.verdict === "string");
  const failed = await client.callTool({ name: "recommend", arguments: { pool: "no such pool" } });
  check(`${revision}: what the command complains of is the tool's error`,
    failed.isError && failed.content[0].text.includes("no such pool"));
  const refused = await client.callTool({ name: "recommend", arguments: { seconds: 1000 } });
  check(`${revision}: a wrong argument is named`, refused.isError && refused.content[0].text.includes("seconds"));
  await client.close();
}

const server = { command: program, args: ["mcp", "--host", `sim:${scenario}`], env: process.env };
await session("2026-07-28",
  new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } }),
  new StdioClientTransport(server));
await session("2025-11-25", new OlderClient({ name: "test", version: "1" }), new OlderTransport(server));
// Who speaks both finds the newer one.
const both = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "auto" } });
await both.connect(new StdioClientTransport(server));
check("a client of both revisions takes the newer one", both.getNegotiatedProtocolVersion() === "2026-07-28");
await both.close();
console.log(`1..${number}`);
process.exit(0);
