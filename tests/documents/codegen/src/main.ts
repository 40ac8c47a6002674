// A campaign from its making to its report; the server is to be given as JSON, {url, key}.
import { ask } from './ask.js';
import { Add, Again, Create, Figures, Record, Report, Row } from './documents.js';
import { read } from './gql/index.js';
import type { DeliveryStatus, RecipientInput } from './gql/graphql.js';

declare const process: { argv: string[] };

const server = JSON.parse(process.argv[2]!);
const numbers = ['+33600000000', '+33600000001', '+33600000002'];
const recipients: RecipientInput[] = numbers.map((number) => ({ number }));

const { createCampaign } = await ask(server, Create, {
  input: { name: 'Spring', text: 'Hello', sender: 'ACME' },
});
const id = createCampaign.campaign!.id;
const { addRecipients } = await ask(server, Add, {
  input: { campaignId: id, recipients: [...recipients, { number: 'nonsense' }] },
});
const messages = read(Row, addRecipients.messages);

const reached: DeliveryStatus[] = ['RECEIVED', 'ABSENCE_PERMANENT_ERROR'];
const receipts = reached.map((status, n) => ({
  messageId: messages[n]!.id,
  status,
  at: new Date().toISOString(),
}));
const { recordReceipts } = await ask(server, Record, { input: { receipts } });

const first = await ask(server, Report, { id, first: 2 });
const after = first.campaign!.messages.pageInfo.endCursor;
const second = await ask(server, Report, { id, first: 2, after });
const failed = await ask(server, Report, { id, filter: { indicators: ['PERMANENT_ERROR'] } });
const figures = await ask(server, Figures, { id, search: '+33600000002' });
const again = await ask(server, Again, { ids: [id, messages[2]!.id, 'nonsense'] });

const { statistics } = second.campaign!;
console.log(
  JSON.stringify({
    type: createCampaign.campaign!.type,
    errors: addRecipients.userErrors.map(({ field, code }) => [field, code]),
    applied: recordReceipts.applied,
    pages: [first, second].map(({ campaign }) =>
      read(Row, campaign!.messages.nodes).map(({ recipient, status }) => [recipient, status]),
    ),
    failed: read(Row, failed.campaign!.messages.nodes).map(({ recipient }) => recipient),
    counts: Object.fromEntries(statistics.indicators.map((one) => [one.indicator, one.count])),
    alerts: figures.campaign!.alerts.map(({ indicator }) => indicator),
    countries: figures.campaign!.breakdown.map(({ label, total }) => [label, total]),
    received: figures.campaign!.deliveryTime?.count,
    entered: figures
      .campaign!.timeline.flatMap(({ statuses }) => statuses)
      .reduce((sum, { count }) => sum + count, 0),
    found: read(Row, figures.campaign!.found.nodes).map(({ recipient }) => recipient),
    sums: [figures.all.total, figures.one.total, figures.campaigns.totalCount],
    again: again.nodes.map((node) => {
      switch (node?.__typename) {
        case 'Campaign':
          return node.name;
        case 'Message':
          return read(Row, node).recipient;
        default:
          return null;
      }
    }),
  }),
);
