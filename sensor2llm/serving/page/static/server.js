// What the page asks of the server that it came from; it asks nobody else.
let key = "";
export const useKey = (value) => { key = value; };

export class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function send(path, options = {}) {
  const headers = { ...options.headers, ...(key && { authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new ServerError("The server cannot be reached. Start it again, or look at your connection.", 0);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new ServerError(body.error?.message ?? `The server answered with status ${response.status}.`, response.status);
}

const post = (path, body) =>
  send(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const listModels = async () => (await (await send("/v1/models")).json()).data.map((model) => model.sensor2llm);

export async function upload(file) {
  const form = new FormData();
  form.append("purpose", "user_data");
  form.append("file", file, file.name);
  return (await (await send("/v1/files", { method: "POST", body: form })).json()).id;
}

export const simulated = async () => new File([await (await send("/page/simulated.csv")).blob()], "simulated.csv");

// `keepalive` lets it be sent while the page is being left.
export const forget = (id) => send(`/v1/files/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});

export const classify = async (body) => (await post("/classify", body)).json();
export const showWindow = async (body) => (await post("/window", body)).json();

// Give an answer's chunks as they come; the last one with a choice has `sensor2llm`.
export async function* ask(body) {
  const response = await post("/v1/chat/completions", { ...body, stream: true });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new ServerError("The answer ended before it was whole. Ask again.", 0);
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace("data: ", "");
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ServerError(chunk.error.message, 500);
      yield chunk;
    }
  }
}
