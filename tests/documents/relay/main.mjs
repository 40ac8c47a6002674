// main.mjs STORY GIVEN: lives through a story with relay-runtime, and prints what Relay's store holds after each step.
//
// Without React: what its hooks do with a store is done here by hand (read a fragment, load the next page into it).
import { createRequire } from 'node:module';
import { createClient } from 'graphql-ws';
import relay from 'relay-runtime';
import WebSocket from 'ws';

const {
  ConnectionHandler,
  Environment,
  Network,
  Observable,
  RecordSource,
  Store,
  commitMutation,
  createOperationDescriptor,
  fetchQuery,
  getSelector,
  requestSubscription,
} = relay;
const require = createRequire(import.meta.url);
const compiled = (name) => require(`./src/__generated__/${name}.graphql`);

const [story, text] = process.argv.slice(2);
const given = JSON.parse(text);
const headers = { authorization: `Bearer ${given.key}`, 'content-type': 'application/json' };

const socket = createClient({
  url: given.url.replace('http', 'ws'),
  connectionParams: { authorization: headers.authorization },
  webSocketImpl: WebSocket,
  retryAttempts: 0,
});
// A document that the compiler has persisted has an id, and no text; graphql-ws wants one nevertheless.
const named = ({ id, text }) => (id ? { doc_id: id, query: '' } : { query: text });
const environment = new Environment({
  network: Network.create(
    async (document, variables) => {
      const body = JSON.stringify({ ...named(document), variables });
      return (await fetch(given.url, { method: 'POST', headers, body })).json();
    },
    (document, variables) =>
      Observable.create((sink) => socket.subscribe({ ...named(document), variables }, sink)),
  ),
  store: new Store(new RecordSource()),
});

// What the store holds for this query; kept until the end.
async function load(name, variables) {
  const query = compiled(name);
  const operation = createOperationDescriptor(query, variables);
  environment.retain(operation);
  await fetchQuery(environment, query, variables).toPromise();
  return () => environment.lookup(operation.fragment).data;
}

// What the store holds for a fragment, with the fragments that are spread in it by this name.
const read = (name, at) => environment.lookup(getSelector(compiled(name), at)).data;

const mutate = (name, variables) =>
  new Promise((onCompleted, onError) =>
    commitMutation(environment, {
      mutation: compiled(name),
      variables,
      onCompleted: (data, errors) => (errors ? onError(errors) : onCompleted(data)),
      onError,
    }),
  );

// Subscribes; gives what waits until so many events have come, and what ends it.
function watch(name, variables) {
  const events = [];
  const waiting = new Set();
  const { dispose } = requestSubscription(environment, {
    subscription: compiled(name),
    variables,
    onNext(event) {
      events.push(event);
      for (const look of waiting) look();
    },
    onError: (error) => fail(error),
  });
  const until = (true_) =>
    new Promise((done) => {
      const look = () => true_(events) && (waiting.delete(look), done(events));
      waiting.add(look);
      look();
    });
  return { until, dispose };
}

const tell = (step, value) => console.log(JSON.stringify({ [step]: value }));
const fail = (error) => {
  console.error(error);
  process.exit(1);
};

const stories = {
  // Two pages of a connection, then a campaign that is put in front of it by the mutation alone.
  async history() {
    const page = await load('historyQuery', { filter: null });
    const list = () => {
      const { campaigns } = read('history_list', page());
      const rows = campaigns.edges.map(({ node }) => read('history_row', node));
      return { names: rows.map(({ name }) => name), total: campaigns.totalCount, ...campaigns.pageInfo };
    };
    tell('first', list());
    await load('historyPageQuery', { first: 2, after: list().endCursor, filter: null });
    tell('second', list());
    const connections = [
      ConnectionHandler.getConnectionID('client:root', 'history_campaigns', { filter: null }),
    ];
    const input = { name: 'Newest', text: 'Hello', sender: 'ACME', clientMutationId: '17' };
    const { createCampaign } = await mutate('historyCreateMutation', { input, connections });
    tell('created', { id: createCampaign.clientMutationId, errors: createCampaign.userErrors });
    tell('then', list());
  },

  // A campaign that changes while its row is shown: the subscription alone changes the row.
  async changes() {
    const page = await load('historyQuery', { filter: null });
    const row = () => {
      const [{ node }] = read('history_list', page()).campaigns.edges;
      const { statistics } = read('history_row', node);
      return Object.fromEntries(statistics.indicators.map(({ indicator, count }) => [indicator, count]));
    };
    tell('before', row());
    const { until, dispose } = watch('historySubscription', {});
    await until((events) => events.length > 0);
    await mutate('reportReceiptsMutation', { input: { receipts: given.receipts } });
    await until((events) => events.some(({ campaignsUpdated }) => campaignsUpdated.length > 0));
    tell('after', row());
    dispose();
  },

  // A report: pages of messages, more recipients, receipts, and its figures fetched again by node(id:).
  async report() {
    const { campaign } = given;
    const page = await load('reportQuery', { id: campaign, filter: null, orderBy: null });
    const list = () => {
      const { messages } = read('report_messages', page().campaign);
      const rows = messages.edges.map(({ node }) => read('report_message', node));
      return {
        recipients: rows.map(({ recipient }) => recipient),
        statuses: rows.map(({ status }) => status),
        total: messages.totalCount,
        ...messages.pageInfo,
      };
    };
    const figures = () => {
      const { state, statistics } = read('report_figures', page().campaign);
      const counts = statistics.statuses.filter(({ count }) => count > 0);
      return {
        state,
        total: statistics.total,
        statuses: Object.fromEntries(counts.map(({ status, count }) => [status, count])),
        rates: statistics.indicators.map(({ rate }) => rate),
      };
    };
    const more = () =>
      load('reportMessagesPageQuery', {
        id: campaign, first: 3, after: list().endCursor, filter: null, orderBy: null,
      });
    tell('first', list());
    await more();
    tell('second', list());
    const connections = [
      ConnectionHandler.getConnectionID(campaign, 'report_messages', { filter: null, orderBy: null }),
    ];
    const input = { campaignId: campaign, recipients: [{ number: given.another }] };
    await mutate('reportAddRecipientsMutation', { input, connections });
    tell('added', list());
    tell('figures', figures());
    const { recordReceipts } = await mutate('reportReceiptsMutation', { input: { receipts: given.receipts } });
    tell('recorded', recordReceipts);
    await load('reportFiguresRefetchQuery', { id: campaign });
    tell('refetched', figures());
  },

  // A report while one looks: both subscriptions change what is shown.
  async live() {
    const { campaign } = given;
    const page = await load('reportQuery', { id: campaign, filter: null, orderBy: null });
    const shown = () => {
      const { messages } = read('report_messages', page().campaign);
      const { statistics } = read('report_figures', page().campaign);
      const [first] = messages.edges.map(({ node }) => read('report_message', node));
      return {
        status: first.status,
        label: first.statusLabel,
        history: first.history.map(({ status }) => status),
        received: statistics.indicators.find(({ indicator }) => indicator === 'RECEIPT').count,
      };
    };
    tell('before', shown());
    const after = read('report_messages', page().campaign).updatesCursor;
    const messages = watch('reportMessagesSubscription', { id: campaign, after });
    const figures = watch('reportFiguresSubscription', { id: campaign });
    await messages.until((events) => events.length > 0);
    await figures.until((events) => events.length > 0);
    await mutate('reportReceiptsMutation', { input: { receipts: given.receipts } });
    await messages.until((events) => events.some(({ messagesUpdated }) => messagesUpdated.messages.length > 0));
    await figures.until((events) => events.length > 1);
    tell('after', shown());
    messages.dispose();
    figures.dispose();
  },
};

await stories[story]().catch(fail);
await socket.dispose();
