// @vladmandic/human (tfjs, WASM backend) as a peer of `facegate bench`: the stages facegate
// runs on a frame with a face. Not part of the product.
//
// A line on standard input, RUNS WIDTH HEIGHT FILE, names a file of packed RGB pixels; a line
// of JSON answers it.
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const root = path.join(__dirname, 'node_modules');
const load = (name) => require(path.join(root, name));

// Node's fetch knows no file: addresses, which is how the models of a package are named.
const fetchHTTP = globalThis.fetch;
globalThis.fetch = async (url, ...rest) => {
  const name = String(url);
  if (!name.startsWith('file://')) return fetchHTTP(url, ...rest);
  const type = name.endsWith('.json') ? 'application/json' : 'application/octet-stream';
  return new Response(fs.readFileSync(name.slice('file://'.length)), { headers: { 'content-type': type } });
};

async function main() {
  const tf = load('@tensorflow/tfjs-core');
  const wasm = load('@tensorflow/tfjs-backend-wasm');
  wasm.setThreadsCount(1);
  const { Human } = load('@vladmandic/human/dist/human.node-wasm.js');
  const human = new Human({
    backend: 'wasm',
    wasmPath: path.join(root, '@tensorflow/tfjs-backend-wasm/dist/'),
    modelBasePath: 'file://' + path.join(root, '@vladmandic/human/models/'),
    debug: false,
    cacheSensitivity: 0,
    filter: { enabled: false },
    face: {
      enabled: true,
      detector: { rotation: true, maxDetected: 1 },
      mesh: { enabled: true },
      iris: { enabled: true },
      description: { enabled: true },
      antispoof: { enabled: true },
      liveness: { enabled: true },
      emotion: { enabled: false },
    },
    body: { enabled: false }, hand: { enabled: false }, object: { enabled: false }, gesture: { enabled: false }, segmentation: { enabled: false },
  });
  await human.load();
  const info = load('@vladmandic/human/package.json');
  console.log(JSON.stringify({ version: info.version, backend: human.tf.getBackend() }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [runs, width, height, ...rest] = line.split(' ');
    const data = new Uint8Array(fs.readFileSync(rest.join(' ')));
    const ms = [];
    let faces = 0, embedding = 0;
    for (let i = 0; i < Number(runs); i++) {
      const started = process.hrtime.bigint();
      const input = human.tf.tensor(data, [Number(height), Number(width), 3], 'int32');
      const result = await human.detect(input);
      human.tf.dispose(input);
      ms.push(Number(process.hrtime.bigint() - started) / 1e6);
      faces = result.face.length;
      embedding = faces && result.face[0].embedding ? result.face[0].embedding.length : 0;
    }
    console.log(JSON.stringify({ ms, faces, embedding }));
  }
}

main().catch((e) => { console.error(String(e && e.stack || e)); process.exit(3); });
