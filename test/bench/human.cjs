// Times @vladmandic/human (tfjs, WASM backend) on raw RGB pictures: the stages facegate
// runs on a frame with a face. Used by `facegate bench`; not part of the product.
//
// Usage: node human.cjs RUNS WIDTH HEIGHT FILE.rgb ...   one JSON object a line
'use strict';
const fs = require('fs');
const path = require('path');

const modules = process.env.PEERS ? path.join(process.env.PEERS, 'node_modules') : 'node_modules';
const load = (name) => require(path.resolve(modules, name));

// Node's fetch knows no file: addresses, which is how the models of a package are named.
const fetchHTTP = globalThis.fetch;
globalThis.fetch = async (url, ...rest) => {
  const name = String(url);
  if (!name.startsWith('file://')) return fetchHTTP(url, ...rest);
  const type = name.endsWith('.json') ? 'application/json' : 'application/octet-stream';
  return new Response(fs.readFileSync(name.slice('file://'.length)), { headers: { 'content-type': type } });
};

async function main() {
  const [runs, width, height, ...files] = process.argv.slice(2);
  const tf = load('@tensorflow/tfjs-core');
  const wasm = load('@tensorflow/tfjs-backend-wasm');
  const root = path.resolve(modules);
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
  console.log(JSON.stringify({ engine: '@vladmandic/human', version: info.version, backend: human.tf.getBackend() }));
  for (const file of files) {
    const data = new Uint8Array(fs.readFileSync(file));
    const ms = [];
    let faces = 0, embedding = 0;
    for (let i = 0; i < Number(runs) + 5; i++) {
      const started = process.hrtime.bigint();
      const input = human.tf.tensor(data, [Number(height), Number(width), 3], 'int32');
      const result = await human.detect(input);
      human.tf.dispose(input);
      if (i >= 5) ms.push(Number(process.hrtime.bigint() - started) / 1e6);
      faces = result.face.length;
      embedding = faces && result.face[0].embedding ? result.face[0].embedding.length : 0;
    }
    console.log(JSON.stringify({ file: path.basename(file), ms, faces, embedding }));
  }
}

main().catch((e) => { console.error(String(e && e.stack || e)); process.exit(3); });
