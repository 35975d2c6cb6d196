// Requests and requests, four at a time, each over a connection of its own, until another process answers than at first.
import { get } from 'node:http';
import { text } from 'node:stream/consumers';

const ENOUGH = 200;
const url = process.argv[2] ?? 'http://127.0.0.1:8080';
/** @type {Map<string, number>} */
const answers = new Map();
let inARow = 0;
let last = '';

/** @returns {Promise<string>} */
function answerOf() {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => resolve(text(response))).on('error', reject);
  });
}

async function ask() {
  const answer = await answerOf();
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
  inARow = answer === last ? inARow + 1 : 1;
  last = answer;
  if (answers.size === 1 && inARow === ENOUGH) console.log(`${ENOUGH} answers from ${answer}`);
}

async function askOnAndOn() {
  // An error of one request, refused or reset, ends the program with a failure.
  while (answers.size < 2 || inARow < ENOUGH) await ask();
}

await Promise.all([askOnAndOn(), askOnAndOn(), askOnAndOn(), askOnAndOn()]);
for (const [answer, count] of answers) console.log(`${answer} gave ${count} answers`);
