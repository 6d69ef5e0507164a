// A reverse proxy on a free port of 127.0.0.1: adds a token to each request, writes down what passes.
//
//   TOKEN=… LOG=FILE node forwarder.mjs TARGET_URL     # says where it listens
//
// For clients that can send no token, and for looking at what client and server really say.
import http from "node:http";
import { appendFileSync } from "node:fs";

const to = new URL(process.argv[2]);
const { TOKEN: token, LOG: log } = process.env;
const tell = (line) => log && appendFileSync(log, `${JSON.stringify(line)}\n`);
const hidden = ({ authorization, ...headers }) => headers;
const { host } = to;
let count = 0;
// Whoever began to listen before a message comes first: the message may be answered there.
let listening = Promise.resolve();
const soon = () => new Promise((resolve) => setTimeout(resolve, 1000).unref());

const server = http.createServer((request, response) => {
    const id = (count += 1);
    const body = [];
    request.on("data", (chunk) => body.push(chunk));
    request.on("end", async () => {
        const before = listening;
        let begun;
        if (request.method === "GET") listening = new Promise((resolve) => (begun = resolve));
        else await Promise.race([before, soon()]);
        const sent = Buffer.concat(body);
        tell({ id, method: request.method, headers: hidden(request.headers), body: sent.toString() });
        // A wrong host has to arrive as it is; the right one is that of the target.
        const own = request.headers.host === `127.0.0.1:${server.address().port}` || request.headers.host === `localhost:${server.address().port}`;
        const origin = request.headers.origin?.replace(/^http:\/\/(127\.0\.0\.1|localhost):\d+$/, `http://${host}`);
        const headers = {
            ...request.headers,
            host: own ? host : request.headers.host,
            ...(origin && { origin }),
            ...(token && { authorization: `Bearer ${token}` }),
        };
        const up = http.request({ host: to.hostname, port: to.port, path: to.pathname, method: request.method, headers });
        up.on("response", (answer) => {
            begun?.();
            const got = [];
            response.writeHead(answer.statusCode, answer.headers);
            response.flushHeaders();
            answer.on("data", (chunk) => {
                if (log) got.push(chunk);
                response.write(chunk);
            });
            answer.on("end", () => {
                tell({ id, status: answer.statusCode, headers: answer.headers, body: Buffer.concat(got).toString().slice(0, 4000) });
                response.end();
            });
            answer.on("error", () => response.destroy());
        });
        up.on("error", (error) => {
            begun?.();
            tell({ id, error: String(error) });
            response.destroy();
        });
        response.on("close", () => response.writableFinished || up.destroy());
        up.end(sent);
    });
});
server.listen(0, "127.0.0.1", () => console.error(`listening on http://127.0.0.1:${server.address().port}${to.pathname}`));
