// grpc-js's part of test_streaming.py, which starts it:
//
//     node streaming.js ADDRESS MESSAGES SIZE
//
// One bidirectional stream of so many messages of so many bytes. Says what came back, and exits with 1 if it is not what was sent.
'use strict';

const { strictEqual } = require('node:assert');
const grpc = require('@grpc/grpc-js');

const [address, messages, size] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

// The number of the message, over and over.
function message(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return Buffer.alloc(size, bytes);
}

const identity = (bytes) => bytes;
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const call = client.makeBidiStreamRequest('/test.Echo/Echo', identity, identity);

let sent = 0;
let received = 0;
let bytes = 0;

// Until the stream says that it has enough for now.
function send() {
  while (sent < messages) {
    const goesOn = call.write(message(sent));
    sent += 1;
    if (!goesOn) {
      call.once('drain', send);
      return;
    }
  }
  call.end();
}

call.on('data', (reply) => {
  if (!message(received).equals(reply)) {
    throw new Error(`message ${received} came back as another`);
  }
  received += 1;
  bytes += reply.length;
});
call.on('error', (error) => {
  throw error;
});
call.on('status', (status) => {
  strictEqual(status.code, grpc.status.OK);
  strictEqual(received, messages);
  console.log(`${received} messages, ${bytes} bytes`);
  client.close();
});
send();
