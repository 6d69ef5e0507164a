// A reverse proxy that tells everything: for looking at what a client and a server really say to each other.
//
//   node recorder.mjs TARGET_URL LOG_FILE      # prints its own URL
import http from "node:http";
import { appendFileSync } from "node:fs";

const [target, log] = process.argv.slice(2);
const to = new URL(target);
const tell = (line) => appendFileSync(log, `${JSON.stringify(line)}\n`);
let count = 0;

const server = http.createServer((request, response) => {
    const id = (count += 1);
    const body = [];
    request.on("data", (chunk) => body.push(chunk));
    request.on("end", () => {
        const sent = Buffer.concat(body);
        tell({ id, method: request.method, path: request.url, headers: request.headers, body: sent.toString() });
        const up = http.request(
            { host: to.hostname, port: to.port, path: to.pathname, method: request.method, headers: { ...request.headers, host: to.host } },
            (answer) => {
                const got = [];
                response.writeHead(answer.statusCode, answer.headers);
                answer.on("data", (chunk) => { got.push(chunk); response.write(chunk); });
                answer.on("end", () => {
                    tell({ id, status: answer.statusCode, headers: answer.headers, body: Buffer.concat(got).toString().slice(0, 2000) });
                    response.end();
                });
                answer.on("error", () => response.destroy());
            },
        );
        up.on("error", (error) => { tell({ id, error: String(error) }); response.destroy(); });
        response.on("close", () => { if (!response.writableFinished) { tell({ id, closed: "by client" }); up.destroy(); } });
        up.end(sent);
    });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}${to.pathname}`));
