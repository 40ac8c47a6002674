import type { InMemoryCache } from "@apollo/client";
import { skipToken, useQuery, useSubscription } from "@apollo/client/react";
import { useState } from "react";
import { MESSAGES_UPDATED, PAGE } from "./operations";

const SIZE = 20;

/** A page of a campaign's messages, each of which changes when its receipt comes. */
export function Messages({ id }: { id: string }) {
  const [from, setFrom] = useState(0);
  const { data, previousData, error, refetch } = useQuery(PAGE, {
    variables: { id, from, first: SIZE },
    // A page that was seen before is shown at once, and asked for again.
    fetchPolicy: "cache-and-network",
  });
  const campaign = (data ?? previousData)?.campaign;
  // From each answer on: `after` is another one then, for its cursor is marked (live.ts). Whatever changed since comes,
  // once more where it was seen already: in the cache each message takes the place of itself.
  const { error: lost } = useSubscription(
    MESSAGES_UPDATED,
    campaign
      ? {
          variables: { id, after: campaign.updatesCursor },
          onData({ client, data: { data: event } }) {
            // Away for longer than changes are kept (GQL_OUTBOX_HOURS), or the database was restored: begin anew.
            if (event?.messagesUpdated.resync) void refetch();
            // Messages of pages that nobody has looked at are not kept; nor is what was read for each event.
            (client.cache as InMemoryCache).gc({ resetResultCache: true });
          },
        }
      : skipToken,
  );

  if (error ?? lost) return <p role="alert">{(error ?? lost)?.message}</p>;
  if (!campaign) return null;
  const { nodes, totalCount } = campaign.messages;
  return (
    <section aria-label="Messages">
      <table>
        <thead>
          <tr>
            <th>Recipient</th>
            <th>Status</th>
            <th>Since</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map(({ id: message, recipient, status, statusLabel, statusAt }) => (
            <tr key={message} data-message={message} data-status={status}>
              <td>{recipient}</td>
              <td>{statusLabel}</td>
              <td>{new Date(statusAt).toLocaleString()}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <button type="button" disabled={from === 0} onClick={() => setFrom(from - SIZE)}>
        Previous
      </button>{" "}
      <button type="button" disabled={from + SIZE >= (totalCount ?? 0)} onClick={() => setFrom(from + SIZE)}>
        Next
      </button>
    </section>
  );
}
