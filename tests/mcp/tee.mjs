// Starts a server that speaks on stdin and stdout, and writes down every line that it is sent.
//
//   node tee.mjs LOG COMMAND ARGUMENT…
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";

const [log, command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["pipe", "inherit", "inherit"] });
process.stdin.on("data", (chunk) => {
    appendFileSync(log, chunk);
    child.stdin.write(chunk);
});
process.stdin.on("end", () => child.stdin.end());
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));
