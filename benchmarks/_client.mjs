// Run ONNX files in onnxruntime-web: node _client.mjs FOLDER PATH_OF_onnxruntime-web. As _client.py; values as raw float32.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
const [folder, where] = process.argv.slice(2);
const ort = createRequire(join(where, "package.json"))("onnxruntime-web");
ort.env.wasm.numThreads = 1;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".onnx"))) {
  const stem = join(folder, file.slice(0, -5));
  const shape = JSON.parse(readFileSync(stem + ".shape", "utf8"));
  const bytes = readFileSync(stem + ".raw");
  const x = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  try {
    const session = await ort.InferenceSession.create(readFileSync(stem + ".onnx"), { executionProviders: ["wasm"] });
    const y = (await session.run({ x: new ort.Tensor("float32", x, shape) })).y;
    writeFileSync(stem + ".web.raw", Buffer.from(y.data.buffer, y.data.byteOffset, y.data.byteLength));
  } catch (error) {
    writeFileSync(stem + ".web.txt", String(error).split("\n")[0].slice(0, 300));
  }
}
console.log(JSON.parse(readFileSync(join(where, "package.json"), "utf8")).version);
