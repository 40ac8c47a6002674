// What the generated types forbid: were one of these lines not an error, then the line above it would be one.
import { ask, type Server } from './ask.js';
import { Create, Report } from './documents.js';
import { graphql } from './gql/index.js';

export async function wrong(server: Server): Promise<unknown[]> {
  const { campaign } = await ask(server, Report, { id: '17' });
  return [
    // @ts-expect-error: there may be no such campaign
    campaign.name,
    // @ts-expect-error: this was not asked for
    campaign?.text,
    // @ts-expect-error: a rate is null where there are no messages
    campaign?.statistics.indicators.map(({ rate }) => rate.toFixed(2)),
    // @ts-expect-error: a row's fields are those of who asked for them
    campaign?.messages.nodes.map(({ recipient }) => recipient),
    // @ts-expect-error: there is no such status
    await ask(server, Report, { id: '17', filter: { statuses: ['ARRIVED'] } }),
    // @ts-expect-error: a campaign has a sender
    await ask(server, Create, { input: { name: 'Spring', text: 'Hello' } }),
    // @ts-expect-error: the id is missing
    await ask(server, Report, {}),
    // @ts-expect-error: a document that was not compiled has no type
    await ask(server, graphql('query Other { campaigns { totalCount } }'), {}),
  ];
}
