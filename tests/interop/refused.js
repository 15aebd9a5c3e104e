// grpc-js's part of test_early.py, which starts it:
//
//     node refused.js ADDRESS CALLS
//
// One stream that stays open, and so many client-streaming calls beside it that are refused at once, while they send. Exits with 1 if any
// of them ends in another way, or the open stream does not go on.
'use strict';

const { strictEqual } = require('node:assert');
const grpc = require('@grpc/grpc-js');

const [address, calls] = [process.argv[2], Number(process.argv[3])];
const identity = (bytes) => bytes;
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const open = client.makeBidiStreamRequest('/test.Echo/Echo', identity, identity);

let answered = 0;

function refuse() {
  const call = client.makeClientStreamRequest('/no.Service/Method', identity, identity, (error) => {
    strictEqual(error.code, grpc.status.UNIMPLEMENTED, error.message);
    answered += 1;
    if (answered < calls) {
      refuse();
    } else {
      open.write(Buffer.from('last'));
    }
  });
  for (let n = 0; n < 5; n += 1) {
    call.write(Buffer.alloc(1000));
  }
  setImmediate(() => call.end(Buffer.alloc(1000)));
}

open.on('data', (reply) => {
  if (reply.toString() === 'first') {
    refuse();
  } else {
    strictEqual(reply.toString(), 'last');
    open.end();
  }
});
open.on('error', (error) => {
  throw error;
});
open.on('status', (status) => {
  strictEqual(status.code, grpc.status.OK);
  strictEqual(answered, calls);
  console.log(`${answered} refused`);
  client.close();
});
open.write(Buffer.from('first'));
