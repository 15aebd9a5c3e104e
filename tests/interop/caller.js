// grpc-js's part of test_clients.py, which starts it:
//
//     node caller.js TARGET SERVICE_CONFIG RATE METHOD
//
// Calls so many times a second until its input ends. Writes a line for each call: the answer, or `error CODE: DETAILS`.
'use strict';

const grpc = require('@grpc/grpc-js');

const [target, config, rate, method] = process.argv.slice(2);
const identity = (bytes) => bytes;
const client = new grpc.Client(target, grpc.credentials.createInsecure(), { 'grpc.service_config': config });

let open = 0;
let ended = false;

function finish() {
  if (ended && open === 0) {
    client.close();
  }
}

function call() {
  open += 1;
  const deadline = Date.now() + 60_000;
  client.makeUnaryRequest(method, identity, identity, Buffer.alloc(0), { deadline }, (error, reply) => {
    open -= 1;
    console.log(error ? `error ${grpc.status[error.code]}: ${error.details}` : reply.toString());
    finish();
  });
}

const timer = setInterval(call, 1000 / Number(rate));
process.stdin.on('end', () => {
  ended = true;
  clearInterval(timer);
  finish();
});
process.stdin.resume();
